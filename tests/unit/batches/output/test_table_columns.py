"""A table has one list of columns, with fixed types and with names that differ."""

from __future__ import annotations

import json
import re

import pytest

from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import USAGE_FIELDS, RowLayout
from anthropic_batches_provider.batches.output.table_columns import table_columns
from anthropic_batches_provider.errors import ConfigurationError

PROPERTIES = {"label": {"enum": ["a", "b"]}, "parts": {"type": "array"}, "n": {"type": "integer"}}
SCHEMA = json.dumps({"type": "object", "properties": PROPERTIES}).encode()


def own(**types: str) -> tuple[ColumnRecord, ...]:
    return tuple(ColumnRecord(name=name, type=kind) for name, kind in types.items())


def test_own_columns_come_first_and_an_answer_is_one_column_for_each_property() -> None:
    found = table_columns(RowLayout(own=own(id="int64", at="timestamp[us, tz=UTC]"), answer_schema=SCHEMA))
    assert [(column.name, column.type) for column in found] == [
        ("id", "int64"), ("at", "timestamp[us, tz=UTC]"),
        *((name, "string") for name in ("custom_id", "batch_id", "result_type", "text")),
        ("parsed_label", "string"), ("parsed_parts", "json"), ("parsed_n", "int64"),
        *((name, "string") for name in ("verdict", "stop_reason", "error_type", "error_message")),
        ("error_details", "json"), ("model", "string"),
        *((f"usage_{name}", "int64") for name in USAGE_FIELDS),
        ("cost_usd", "decimal128(18, 12)"), ("earlier_rounds", "json"),
    ]  # fmt: skip


def test_a_column_without_a_value_is_text_because_in_another_run_it_may_have_one() -> None:
    assert [column.type for column in table_columns(RowLayout(own=own(v="null")))[:1]] == ["string"]


def test_names_that_differ_only_in_their_case_are_two_columns() -> None:
    assert [column.name for column in table_columns(RowLayout(own=own(a="int64", A="int64")))[:2]] == ["a", "A"]


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (RowLayout(own=own(text_2="string"), choice=ColumnChoice.of({"text": "text_2"})), "text_2"),
        (RowLayout(own=own(parsed_label="string"), answer_schema=SCHEMA), "parsed_label"),
    ],
)
def test_two_columns_of_one_name_are_refused(layout: RowLayout, name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"Two columns of the output would be named {name!r}")):
        table_columns(layout)


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="The output would have no column"):
        table_columns(RowLayout(choice=ColumnChoice.of([])))
