"""Judges answers: what a succeeded row's message is worth, its JSON, and why it does not fit.

Invariant: the same answer has the same verdict in every task that judges by the same thing: the job's model, or its
schema where the model is not there (:func:`judged_by`). An answer that cannot be judged stops nothing but itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from anthropic_batches_provider.batches.judging.answer_json import AnswerJson, json_of
from anthropic_batches_provider.batches.judging.model_checks import model_check, model_named
from anthropic_batches_provider.batches.judging.schema_checks import schema_check
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.passing_failures import PASSING_IN_USER_CODE
from anthropic_batches_provider.batches.requests.answer_schemas import OutputSchema
from anthropic_batches_provider.batches.results import Result
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, verdict_of_stop_reason

Judge = Callable[[bytes, str | None, Result], AnsweredRow]
"""Takes a row's own columns, its batch and the result that counts."""

NO_JSON = "the answer holds no JSON"


def judge_text(columns: bytes, batch_id: str | None, result: Result) -> AnsweredRow:
    """Judge an answer of a job that asks for text: by how its message ends."""
    if result.result_type != "succeeded":
        return AnsweredRow(columns, batch_id, result, reason=result.error_message)
    return AnsweredRow(columns, batch_id, result, verdict_of_stop_reason(result.stop_reason))


def judge_json(columns: bytes, batch_id: str | None, result: Result) -> AnsweredRow:
    """Judge an answer of a job that asks for JSON without an ``output_schema``: by whether there is any."""
    row = judge_text(columns, batch_id, result)
    if row.verdict is None:
        return row
    found = json_of(result)
    if found is not None:
        return AnsweredRow(columns, batch_id, result, row.verdict, found.on_one_line())
    return row if row.verdict != FITS else AnsweredRow(columns, batch_id, result, INVALID_OUTPUT, reason=NO_JSON)


def judge_for(output_schema: OutputSchema | None, *, structured: bool) -> Judge:
    """Return the judge of a job.

    :param output_schema: what its answers must fit; None if the job has none.
    :param structured: whether its answers are JSON.
    """
    if output_schema is None:
        return judge_json if structured else judge_text
    return _judge_by(output_schema)


@lru_cache(maxsize=16)
def _judge_by(output_schema: OutputSchema) -> Judge:
    check = _check(output_schema)

    def judge(columns: bytes, batch_id: str | None, result: Result) -> AnsweredRow:
        row = judge_text(columns, batch_id, result)
        if row.verdict != FITS:
            return row
        found = json_of(result)
        reason = NO_JSON if found is None else _reason(check, found)
        if found is None or reason is not None:
            return AnsweredRow(columns, batch_id, result, INVALID_OUTPUT, reason=reason)
        return AnsweredRow(columns, batch_id, result, FITS, found.on_one_line())

    return judge


def judged_by(output_schema: OutputSchema | None) -> Literal["", "model", "schema"]:
    """Return what judges the answers here: the model, or the schema alone; "" if neither does."""
    if output_schema is None:
        return ""
    return "schema" if model_named(output_schema) is None else "model"


def _reason(check: Callable[[AnswerJson], str | None], found: AnswerJson) -> str | None:
    try:
        return check(found)
    except PASSING_IN_USER_CODE:
        raise
    except Exception as error:  # noqa: BLE001 - such as a recursion that the library refuses
        return f"the schema could not be applied to it ({type(error).__name__})"


def _check(output_schema: OutputSchema) -> Callable[[AnswerJson], str | None]:
    by_model = model_check(output_schema)
    if by_model is not None:
        return lambda found: by_model(found.text)
    by_schema = schema_check(output_schema.schema)
    return lambda found: by_schema(found.value)
