"""Checks ``columns=`` against the other arguments of an operator, as far as they are known.

The rules are those of :mod:`.batches.output.columns`. When a DAG is parsed, the fields of answers may not be known, and
of a job that another task submits, nothing is; a run checks the rest before anything is sent or written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.definitions._internal.mixins import ResolveMixin

from anthropic_batches_provider.batches.output.column_choice import EVERY_COLUMN, ColumnChoice
from anthropic_batches_provider.batches.output.columns import (
    RowLayout,
    check_columns,
    chosen_columns,
    fields_in_table,
)
from anthropic_batches_provider.batches.output.user_columns import READY_KEY_COLUMN, UserColumns
from anthropic_batches_provider.edge.mapped_arguments import is_unmapped
from anthropic_batches_provider.edge.output_schemas import SchemaArgument
from anthropic_batches_provider.edge.task_destination import is_table
from anthropic_batches_provider.edge.templates import Templates
from anthropic_batches_provider.errors import ConfigurationError

_ANSWER = "parsed"
_ANY_FIELD = "…"


def check_chosen_columns(operator: Any) -> None:
    """Check ``columns`` of an operator that sends rows and collects, when the DAG is parsed.

    :raises ConfigurationError: no output can have these columns.
    """
    if is_unmapped(operator):
        return
    _refuse_what_is_to_come(operator)
    check_columns_of_rows(operator, _known_fields(operator))


def check_columns_of_rows(operator: Any, answer_fields: Sequence[str]) -> None:
    """Check ``columns`` of an operator that sends rows and collects.

    :param answer_fields: the fields of the answers that are columns of their own in a table.
    :raises ConfigurationError: no output can have these columns.
    """
    key, keep, prefix = operator.key, operator.keep, operator.column_prefix
    choice = ColumnChoice.of(operator.columns)
    if choice == EVERY_COLUMN:
        UserColumns.of(key, keep, prefix)
        return
    named = UserColumns.of(key, keep, prefix, ())
    if prefix:
        raise ConfigurationError(
            f"`columns` and column_prefix={prefix!r} exclude each other. Leave column_prefix out: `columns` can "
            "rename, too, such as columns={'text': 'answer_text'}."
        )
    is_ready = operator.requests.source is not None
    own = (READY_KEY_COLUMN,) if is_ready else (*named.key_columns, *named.kept_columns)
    check_columns(_layout(operator, choice), _fields(operator, answer_fields), own)


def check_collected_columns(operator: Any) -> None:
    """Check ``columns`` of an operator that collects what another task has sent, when the DAG is parsed.

    :raises ConfigurationError: no output can have these columns.
    """
    if is_unmapped(operator):
        return
    _refuse_what_is_to_come(operator)
    choice, has_job = ColumnChoice.of(operator.columns), operator.job is not None
    answer_fields = _named_fields(choice) if has_job else ()
    check_columns(_layout(operator, choice), _fields(operator, answer_fields), None if has_job else ())


def result_columns_of(operator: Any, schema: Mapping[str, Any] | None) -> frozenset[str] | None:
    """Return the names of the result's columns in the output of an operator; None without ``columns``.

    :param schema: the JSON Schema of the answers; None if there is none.
    :raises ConfigurationError: as :func:`.chosen_columns`.
    """
    choice = ColumnChoice.of(operator.columns)
    if choice == EVERY_COLUMN:
        return None
    found = chosen_columns(_layout(operator, choice), _fields(operator, answer_fields_of(schema)))
    return frozenset(each.name for each in found)


def answer_fields_of(schema: Mapping[str, Any] | None) -> Sequence[str]:
    """Return the fields of answers that are columns of their own in a table."""
    return fields_in_table(None if schema is None else json.dumps(schema).encode())[_ANSWER]


def _layout(operator: Any, choice: ColumnChoice) -> RowLayout:
    return RowLayout(include_message=operator.include_message, choice=choice)


def _fields(operator: Any, answer_fields: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the fields that are columns of their own in the output of an operator."""
    if not is_table(operator.destination, operator.output_format):
        return {}
    return {**fields_in_table(None), _ANSWER: answer_fields}


def _known_fields(operator: Any) -> Sequence[str]:
    """Return the fields of the answers; of a schema that only a run knows, those that are named."""
    argument: SchemaArgument | None = operator.output_schema
    if argument is None:
        return ()
    value = argument.value
    try:
        return answer_fields_of(value if isinstance(value, Mapping) else value.model_json_schema())
    except Exception:  # noqa: BLE001 - it is a name, or wrong: the run says what is wrong with it
        return _named_fields(ColumnChoice.of(operator.columns))


def _named_fields(choice: ColumnChoice) -> Sequence[str]:
    """Return fields of answers that are not known: those that are named, and one that stands for all others."""
    named = [name.removeprefix(f"{_ANSWER}_") for name, _ in choice.names if name.startswith(f"{_ANSWER}_")]
    return (*named, _ANY_FIELD)


def _refuse_what_is_to_come(operator: Any) -> None:
    """Refuse what only a run knows.

    :raises ConfigurationError: ``columns`` is the output of another task, or a template.
    """
    columns, templates = operator.columns, Templates.of(operator)
    names = [*columns, *(columns.values() if isinstance(columns, Mapping) else ())] if _is_collection(columns) else []
    if any(isinstance(each, ResolveMixin) for each in (columns, *names)):
        raise ConfigurationError(
            "`columns` cannot be the output of another task, because it is checked when the DAG is parsed. Write the "
            "names into the DAG."
        )
    marked = next((name for name in names if isinstance(name, str) and templates.marked(name)), None)
    if marked is not None:
        raise ConfigurationError(
            f"`columns` holds {marked!r:.80}, which looks like a template, but `columns` is not templated. Write the "
            "name into the DAG."
        )


def _is_collection(columns: object) -> bool:
    return isinstance(columns, (Mapping, Sequence)) and not isinstance(columns, (str, bytes, ResolveMixin))
