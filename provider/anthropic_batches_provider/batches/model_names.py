"""The ids of models, with and without the date of a snapshot."""

from __future__ import annotations

import re

_SNAPSHOT = re.compile(r"-\d{8}\Z")


def without_date(model: str) -> str:
    """Return a model's id without the date of its snapshot: ``claude-haiku-4-5`` of ``claude-haiku-4-5-20251001``."""
    return _SNAPSHOT.sub("", model)
