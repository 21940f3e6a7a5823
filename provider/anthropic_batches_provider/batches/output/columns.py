"""The columns that an output row holds besides the user's own; ``docs/output.md`` is the contract."""

from __future__ import annotations

RESULT_COLUMNS = (
    "custom_id",
    "batch_id",
    "result_type",
    "text",
    "parsed",
    "stop_reason",
    "error_type",
    "error_message",
    "model",
    "usage",
)
"""The columns of the result, in this order."""

MESSAGE_COLUMN = "message"
"""The whole message, last, and only where it is asked for."""

OUTPUT_COLUMNS = (*RESULT_COLUMNS, MESSAGE_COLUMN)
