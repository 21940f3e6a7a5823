"""The single list of columns that an output row holds in addition to the user's own.

``docs/output.md`` is the contract, and its table is generated from this list. A new column needs one entry here.
This module is imported when a DAG is parsed, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN, ColumnChoice, plain_name
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.ledger import ColumnRecord
    from anthropic_batches_provider.batches.output.answered_row import AnsweredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLayout:
    """Which columns of the result a row has, and under which names; for a table also those of the user.

    :param column_prefix: put before the name of each column of the result; the row's own columns keep their names.
    :param include_message: whether the whole message follows as the last column.
    :param columns: the names of the result's columns, without the message; empty for all of this version.
    :param choice: what ``columns=`` chooses of them.
    :param own: the row's own columns, in order, with their types; only where the output is a table.
    :param answer_schema: the JSON Schema that answers fit, as JSON; None if nothing judges them.
    """

    column_prefix: str = ""
    include_message: bool = False
    columns: tuple[str, ...] = ()
    choice: ColumnChoice = EVERY_COLUMN
    own: tuple[ColumnRecord, ...] = ()
    answer_schema: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultColumn:
    """One column of the result.

    :param json_type: the type in JSON Lines and XCom.
    :param arrow_type: the type in a table, as Arrow writes it; ``json`` for JSON values of any shape, as text.
    :param fields: the fields that become columns of their own in a table; those of ``parsed`` are the schema's.
    :param meaning: for the docs; Markdown.
    :param value: the path of attributes in an answered row, or a function of the row and its layout.
    :param unscaled: of a decimal, the path of an integer that counts the last digit of its type; "" for other columns.
    """

    name: str
    json_type: str
    arrow_type: str = "string"
    meaning: str
    value: str | Callable[[AnsweredRow, RowLayout], Any]
    fields: tuple[str, ...] = ()
    unscaled: str = ""


USAGE_FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "cache_read_input_tokens",
    "thinking_tokens",
    "web_search_requests",
    "web_fetch_requests",
)
"""The columns of a table that hold a row's usage, named as in the manifest (:class:`~.usage.Usage`)."""

COLUMNS = (
    ResultColumn(
        name="custom_id",
        json_type="string or null",
        meaning="The id of the request: `{job nonce}-{shard}-{row}`. This package creates it; your own identifier is "
        "the key. Null for an `invalid_row`.",
        value="result.custom_id",
    ),
    ResultColumn(
        name="batch_id",
        json_type="string or null",
        meaning="The message batch that the request was sent in, `msgbatch_…`. Null for an `invalid_row`.",
        value="batch_id",
    ),
    ResultColumn(
        name="result_type",
        json_type="string",
        meaning="One of the API's result types (`succeeded`, `errored`, `canceled`, `expired`), `missing` if the "
        "results hold no answer to this request, `unreadable` if they hold one that cannot be decoded, or "
        "`invalid_row` if the row was not sent because no request can be made from it.",
        value="result.result_type",
    ),
    ResultColumn(
        name="text",
        json_type="string or null",
        meaning="All text blocks of the message, joined without a separator. Thinking, tool calls and other blocks are "
        "not text, wherever they appear. Null if there is no message, or if it has no text block.",
        value="result.text",
    ),
    ResultColumn(
        name="parsed",
        json_type="any JSON or null",
        arrow_type="json",
        meaning="The answer's own JSON, if the job asked for JSON (`output_schema` or `output_config.format`). If the "
        "whole text is no JSON, the last text block counts, or the JSON that begins on a line of its own after a "
        "preface. Null without JSON, e.g. because it was cut at `max_tokens`; with `output_schema` also if the answer "
        "does not fit.",
        value="parsed",
    ),
    ResultColumn(
        name="verdict",
        json_type="string or null",
        meaning="Whether the answer can be used: `fits`; `invalid_output` if it holds no JSON although the job asked "
        "for it, or does not fit `output_schema`; `truncated` at `max_tokens`; `refusal`; `unfinished` (`pause_turn`, "
        "or the context window was full). Null unless succeeded.",
        value="verdict",
    ),
    ResultColumn(
        name="stop_reason",
        json_type="string or null",
        meaning="Why the message ends: `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `pause_turn`, `refusal`, "
        "`model_context_window_exceeded`. Null unless succeeded.",
        value="result.stop_reason",
    ),
    ResultColumn(
        name="error_type",
        json_type="string or null",
        meaning="The API's error type, e.g. `invalid_request_error` or `overloaded_error`. Null unless errored.",
        value="result.error_type",
    ),
    ResultColumn(
        name="error_message",
        json_type="string or null",
        meaning="The API's error message; of an `unreadable` result, how its line begins; of an `invalid_row`, what is "
        "wrong with it, and where it is; of an `invalid_output`, the first place that does not fit, without what the "
        "answer says there. Null otherwise.",
        value="reason",
    ),
    ResultColumn(
        name="error_details",
        json_type="object or null",
        arrow_type="json",
        meaning="What else the API says of an error: its `request_id`, which Anthropic's support asks for, and "
        "`details` if there are any. Null unless errored.",
        value="result.error_details",
    ),
    ResultColumn(
        name="model",
        json_type="string or null",
        meaning="The model that answered, as the message names it. Null unless succeeded.",
        value="result.model",
    ),
    ResultColumn(
        name="usage",
        json_type="object or null",
        arrow_type="json",
        meaning="The message's usage exactly as the API gave it: `input_tokens`, `output_tokens`, "
        "`cache_creation_input_tokens`, `cache_read_input_tokens`, … in tokens. Null unless succeeded.",
        value="result.usage",
        fields=USAGE_FIELDS,
    ),
    ResultColumn(
        name="cost_usd",
        json_type="number or null",
        arrow_type="decimal128(18, 12)",
        meaning="What the row cost in dollars, to the last digit: the sum over all its requests, of "
        "[`earlier_rounds`](#what-each-result-type-looks-like) too, while `usage` is that of one. 0 if nothing was "
        "billed. Null if the cost of one of them is [unknown](money.md), or if prices are not known at all.",
        value="cost_usd",
        unscaled="cost",
    ),
    ResultColumn(
        name="earlier_rounds",
        json_type="array or null",
        arrow_type="json",
        meaning="The row's other results if it was sent more than once, in the order of the rounds: objects with "
        "`batch_id`, `result_type`, `verdict`, `stop_reason`, `error_type`, `error_message`, `model` and `usage`, with "
        "the meaning of the columns. Those with a `usage` were billed, too. Null if it was sent once.",
        value="earlier_rounds",
    ),
)
"""The columns of the result, in this order."""

MESSAGE = ResultColumn(
    name="message",
    json_type="object or null",
    arrow_type="json",
    meaning="The whole message exactly as the API gave it. Only with `include_message=True`; null unless succeeded.",
    value="result.message",
)
"""The whole message: the last column, and only on request. Its bytes are inserted unchanged."""


@dataclass(frozen=True, slots=True)
class ChosenColumn:
    """A column of the result in the output.

    :param name: its name there.
    :param field: the one field of the value that it holds; None for the whole value.
    """

    name: str
    column: ResultColumn
    field: str | None = None


def columns_of(layout: RowLayout) -> tuple[ChosenColumn, ...]:
    """Return the columns of the result that a row of JSON has, in order.

    :raises ConfigurationError: as :func:`chosen_columns`.
    """
    return chosen_columns(layout, {})


def chosen_columns(layout: RowLayout, fields: Mapping[str, Sequence[str]]) -> tuple[ChosenColumn, ...]:
    """Return the columns of the result in the output, in order.

    A job of an older version has the columns of that version, and those that ``columns=`` names.

    :param fields: of each column whose fields become columns of their own, those fields.
    :raises ConfigurationError: ``columns=`` names a column that does not exist, gives two columns one name, or leaves
        out the message that ``include_message`` asks for.
    """
    by_name = {column.name: column for column in (*COLUMNS, *([MESSAGE] if layout.include_message else []))}
    leaves = [(name, field) for name in by_name for field in fields.get(name) or (None,)]
    absent = {column.name for column in COLUMNS}.difference(layout.columns) if layout.columns else set()
    found = tuple(
        ChosenColumn(layout.column_prefix + shown, by_name[name], field)
        for (name, field), shown in layout.choice.named(leaves, absent)
    )
    if layout.include_message and all(each.column is not MESSAGE for each in found):
        raise ConfigurationError(
            "include_message=True, but `columns` leaves `message` out. Name it in `columns`, or leave include_message "
            "out."
        )
    return found


def fields_in_table(answer_schema: bytes | None) -> dict[str, tuple[str, ...]]:
    """Return the fields that are columns of their own in a table, by the column that they belong to.

    :param answer_schema: as in a :class:`RowLayout`.
    """
    from anthropic_batches_provider.batches.output.answer_columns import answer_fields

    return {"usage": USAGE_FIELDS, "parsed": tuple(answer_fields(answer_schema))}


def check_columns(layout: RowLayout, fields: Mapping[str, Sequence[str]], own: Sequence[str] | None) -> None:
    """Check the columns of an output as far as they are known.

    :param fields: as in :func:`chosen_columns`.
    :param own: the names of the user's own columns, as far as they are known; None if there may be others.
    :raises ConfigurationError: as :func:`chosen_columns`; or the output has no column, or two of one name.
    """
    found = chosen_columns(layout, fields)
    if own is not None and not own and not found:
        raise ConfigurationError(
            "The output would have no column: there are no key columns, and `columns` leaves out all of the result. "
            "Name one in `columns`."
        )
    both = next((each for each in found if each.name in (own or ())), None)
    if both is not None:
        raise ConfigurationError(
            f"Your rows and the output would both have a column {both.name!r}. Rename or leave out the output's with "
            f"`columns=`, such as columns={{{plain_name((both.column.name, both.field))!r}: 'another_name'}}, or leave "
            "yours out of `key` and `keep`."
        )


RESULT_COLUMNS = tuple(column.name for column in COLUMNS)
MESSAGE_COLUMN = MESSAGE.name
OUTPUT_COLUMNS = (*RESULT_COLUMNS, MESSAGE_COLUMN)

_LATER_COLUMNS = ("error_details", "verdict", "earlier_rounds", "cost_usd")

FIRST_COLUMNS = tuple(name for name in RESULT_COLUMNS if name not in _LATER_COLUMNS)
"""The columns of jobs that were sealed before jobs recorded them; a later column is in none of their rows."""
