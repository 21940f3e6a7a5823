"""The limits of the Message Batches API, in the API's units.

Source: https://platform.claude.com/docs/en/build-with-claude/batch-processing (seen 2026-09-26) and
https://platform.claude.com/docs/en/api/rate-limits#message-batches-api (seen 2026-10).
"""

from __future__ import annotations

import re
from datetime import timedelta

MAX_REQUESTS_PER_BATCH = 100_000
MAX_BYTES_PER_BATCH = 256_000_000  # "256 MB"; the stricter reading of MB
CUSTOM_ID_PATTERN = re.compile(r"^[a-zA-Z0-9_-]{1,64}\Z")

BATCH_EXPIRES_AFTER = timedelta(hours=24)
EXPIRY_GRACE = timedelta(hours=1)  # ours: how long after its expiry a batch may still not show as ended
LONGEST_LIFE = BATCH_EXPIRES_AFTER + timedelta(hours=2)  # ours: by then a batch has ended and its results can be read
RESULTS_AVAILABLE_FOR = timedelta(days=29)  # after created_at, not after the end

MAX_LIST_PAGE = 1000
MAX_LIST_PAGES = 1000  # ours: a million batches; a cursor that goes in a circle ends there
MAX_RESULT_LINE_BYTES = 64 << 20  # ours: far above any answer; a line without an end must not fill the memory

# The queue of the smallest published tier (Start); Build has 300,000 and Scale 500,000. All models share one pool.
REQUESTS_IN_QUEUE = 200_000
