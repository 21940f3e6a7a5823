"""The tables of the output's columns and formats in ``docs/output.md``."""

from __future__ import annotations

from anthropic_batches_provider.batches.output.columns import COLUMNS, MESSAGE, ResultColumn
from anthropic_batches_provider.batches.output.formats import FORMATS, OutputFormat


def columns_table() -> list[str]:
    """Return the lines of the table of columns."""
    rows = [f"| `{each.name}` | {each.json_type} | {each.meaning} |" for each in (*COLUMNS, MESSAGE)]
    return ["| column | type | holds |", "|---|---|---|", *rows]


def table_columns_table() -> list[str]:
    """Return the lines of the table of columns in outputs that are tables."""
    rows = [f"| {_columns_in_a_table(each)} |" for each in (*COLUMNS, MESSAGE)]
    return ["| column | in a table | type |", "|---|---|---|", *rows]


def formats_table() -> list[str]:
    """Return the lines of the table of formats."""
    rows = [f'| `"{each.name}"` | `{each.suffix}` | {each.meaning} | {_extra_of(each)} |' for each in FORMATS]
    return ["| `output_format` | files | content | needs |", "|---|---|---|---|", *rows]


def _columns_in_a_table(column: ResultColumn) -> str:
    if column.name == "parsed":
        return (
            "`parsed` | `parsed_{property}` for each property of `output_schema`; else `parsed` | that of the property "
            "or of the whole answer; `json` where no type holds every value"
        )
    if column.fields:
        return f"`{column.name}` | {', '.join(f'`{column.name}_{field}`' for field in column.fields)} | `int64`"
    return f"`{column.name}` | `{column.name}` | `{column.arrow_type}`"


def _extra_of(output_format: OutputFormat) -> str:
    return f"the extra `{output_format.extra}`" if output_format.extra else "nothing more"
