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

# Images and documents. Sources: https://platform.claude.com/docs/en/build-with-claude/vision#general-limits,
# https://platform.claude.com/docs/en/build-with-claude/pdf-support and
# https://platform.claude.com/docs/en/api/errors#request-size-limits (seen 2026-11-29).
MAX_IMAGE_BYTES = 10 << 20  # in base64, as the API counts: "image exceeds 10 MB maximum: … bytes > 10485760 bytes"
MAX_IMAGE_PIXELS = 8_000  # of either side
MANY_IMAGES = 20  # in a request of more, the next limit applies to each of them
MAX_PIXELS_OF_MANY_IMAGES = 2_000
MAX_IMAGES_PER_REQUEST = 600
MAX_IMAGES_IN_SMALL_CONTEXT = 100  # for models with a context of 200,000 tokens
MAX_CACHE_BREAKPOINTS = 4  # https://platform.claude.com/docs/en/build-with-claude/prompt-caching (seen 2026-11-27)
_SMALL_CONTEXT_MODELS = re.compile(r"claude-(?:opus|sonnet|haiku)-4-5(?!\d)")  # older ones have retired
MAX_MESSAGE_BYTES = 32_000_000  # "32 MB"; the docs name it for the Messages API, and no other for a request of a batch


def most_images(model: object) -> int:
    """Return how many images a request to a model may have."""
    is_small = isinstance(model, str) and _SMALL_CONTEXT_MODELS.match(model)
    return MAX_IMAGES_IN_SMALL_CONTEXT if is_small else MAX_IMAGES_PER_REQUEST
