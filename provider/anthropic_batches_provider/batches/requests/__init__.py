"""Turns one row into the exact bytes of its Messages params, and runs the checks that need no other row.

The names below are imported when they are first used: parsing a DAG needs this room's pure rules, and nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.requests.answer_schemas import (
        OutputSchema,
        json_schema_of,
        schema_of_model,
    )
    from anthropic_batches_provider.batches.requests.content_blocks import FileColumns
    from anthropic_batches_provider.batches.requests.params import MAX_PARAMS_BYTES
    from anthropic_batches_provider.batches.requests.questions import Question, RequestBuilder, SplicedParams
    from anthropic_batches_provider.batches.requests.ready import ReadyLine, decode_ready_line, encode_ready_request
    from anthropic_batches_provider.batches.requests.repair_values import repair_changes
    from anthropic_batches_provider.batches.requests.templates import PromptTemplate

__all__ = [
    "MAX_PARAMS_BYTES",
    "FileColumns",
    "OutputSchema",
    "PromptTemplate",
    "Question",
    "ReadyLine",
    "RequestBuilder",
    "SplicedParams",
    "decode_ready_line",
    "encode_ready_request",
    "json_schema_of",
    "repair_changes",
    "schema_of_model",
]

_MODULES = {
    "FileColumns": "content_blocks",
    "MAX_PARAMS_BYTES": "params",
    "OutputSchema": "answer_schemas",
    "PromptTemplate": "templates",
    "Question": "questions",
    "ReadyLine": "ready",
    "RequestBuilder": "questions",
    "SplicedParams": "questions",
    "decode_ready_line": "ready",
    "encode_ready_request": "ready",
    "json_schema_of": "answer_schemas",
    "repair_changes": "repair_values",
    "schema_of_model": "answer_schemas",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
