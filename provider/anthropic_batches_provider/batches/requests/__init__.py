"""Turns one row into the exact bytes of its Messages params, and runs the checks that need no other row."""

from anthropic_batches_provider.batches.requests.params import MAX_PARAMS_BYTES
from anthropic_batches_provider.batches.requests.questions import Question, RequestBuilder
from anthropic_batches_provider.batches.requests.ready import ReadyLine, decode_ready_line, encode_ready_request
from anthropic_batches_provider.batches.requests.templates import PromptTemplate

__all__ = [
    "MAX_PARAMS_BYTES",
    "PromptTemplate",
    "Question",
    "ReadyLine",
    "RequestBuilder",
    "decode_ready_line",
    "encode_ready_request",
]
