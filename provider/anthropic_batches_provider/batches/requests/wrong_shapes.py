"""Recognizes values that are no row or no ready request yet, and says by which expression they become one.

Types are recognized by their names and attributes, so that nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BATCH_LINES: tuple[tuple[dict[str, type], str], ...] = (
    (
        {"requests": list},
        (
            "is the body of a create call. Give each request in it as one of its own; for a file, "
            "`jq -c '.requests[]'` writes them one a line."
        ),
    ),
    (
        {"custom_id": object, "method": object, "url": object, "body": Mapping},
        (
            "is a line of an OpenAI batch file. Keep custom_id, and turn body into params of the Messages API: "
            "another model, max_tokens, and the system message as `system`. Leave out method and url."
        ),
    ),
    (
        {"modelInput": Mapping},
        (
            "is a record for batch inference on Amazon Bedrock. Rename recordId to custom_id and modelInput to params. "
            "In params, leave out anthropic_version and add model."
        ),
    ),
    (
        {"request": Mapping},
        (
            "is a line for batch prediction on Vertex AI. Rename request to params, and give it a custom_id if it has "
            "none. In params, leave out anthropic_version and add model."
        ),
    ),
    (
        {"custom_id": object, "result": Mapping},
        "is a result of a batch, not a request. Give the requests that the batch was made from.",
    ),
    (
        {"custom_id": object, "response": object, "error": object},
        "is a result of an OpenAI batch, not a request. Give the requests that the batch was made from.",
    ),
    (
        {"custom_id": object, "result_type": object},
        "is a row of this package's output, not a request. Give the rows or requests that it was made from.",
    ),
)
"""Lines of other batch services and of outputs: their fields with the types of the values, and what becomes of them."""

_BY_ATTRIBUTE = (
    ("__pydantic_fields__", "{value}.model_dump()"),
    ("__dataclass_fields__", "dataclasses.asdict({value})"),
    ("__attrs_attrs__", "attrs.asdict({value})"),
    ("__struct_fields__", "msgspec.structs.asdict({value})"),
    ("_mapping", "{value}._mapping"),
    ("_asdict", "{value}._asdict()"),
    ("asDict", "{value}.asDict()"),
)
_TABLES = {
    ("pandas", "DataFrame"): 'table.to_dict("records")',
    ("polars", "DataFrame"): "table.iter_rows(named=True)",
    ("polars", "LazyFrame"): "table.collect()",
    ("pyarrow", "Table"): "table.to_pylist()",
    ("pyarrow", "RecordBatch"): "table.to_pylist()",
    ("pyarrow", "FileSystemDataset"): "table.scanner().to_reader()",
    ("pyarrow", "InMemoryDataset"): "table.scanner().to_reader()",
    ("pyarrow", "UnionDataset"): "table.scanner().to_reader()",
    ("pyarrow", "Scanner"): "table.to_reader()",
    ("pyspark", "DataFrame"): "(row.asDict() for row in table.toLocalIterator())",
}
"""The expression that makes rows, or a table in memory, of a table; by the package and the name of its class."""


def named_shape(request: Mapping[Any, Any]) -> str | None:
    """Return what a dict is that is no ready request, and what becomes what; None if that is unknown.

    :return: sentences that continue the row's name.
    """
    if "params" in request:
        return None
    return next((text for kinds, text in _BATCH_LINES if _has(request, kinds)), None)


def _has(request: Mapping[Any, Any], fields: dict[str, type]) -> bool:
    return all(name in request and isinstance(request[name], kind) for name, kind in fields.items())


def way_to_mapping(value: object, name: str = "row") -> str:
    """Return how a value that is no mapping becomes one, as a sentence after a space; empty if that is unknown.

    :param name: the word for the value in the expression.
    """
    if isinstance(value, type):
        return ""
    if (table := way_to_rows(value)) is not None:
        return f" It is a whole table: give its rows one by one, as in `{table.replace('table', name)}`."
    if isinstance(value, (str, bytes, bytearray)):
        return (
            f" If it is JSON, give `json.loads({name})`. If it is the name of a column, a table was given: "
            'give `df.to_dict("records")` of a DataFrame.'
        )
    expression = _expression(value)
    return "" if expression is None else f" Give `{expression.format(value=name)}` in its place."


def way_to_rows(value: object) -> str | None:
    """Return the expression that makes rows of a table, called ``table``; None if it is no such table."""
    kind = type(value)
    return _TABLES.get((kind.__module__.partition(".")[0], kind.__name__))


def _expression(value: object) -> str | None:
    for attribute, expression in _BY_ATTRIBUTE:
        if hasattr(value, attribute):
            return expression
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        return "dict({value})"  # sqlite3.Row, asyncpg.Record, psycopg2's DictRow, pandas.Series
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
        return "yield from {value}"
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        return "dict(zip(columns, {value}))"
    return None
