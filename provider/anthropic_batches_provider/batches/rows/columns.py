"""Which of its own columns a row keeps in the output: key columns and kept columns.

Invariant: a column of the user and a column of the output never share a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.batches.output.columns import OUTPUT_COLUMNS
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_columns, encode_values
from anthropic_batches_provider.batches.requests.wording import listed, row_name
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROW_NUMBER_COLUMN = "row_number"
"""The key column of rows that have no key of their own."""

READY_KEY_COLUMN = "key"
"""The key column of ready requests; it holds the user's custom_id."""


@dataclass(frozen=True, kw_only=True)
class RowColumns:
    """The user's columns in an output row: key columns first, then kept columns.

    :param key: one or more columns that identify a row; None for the row's number, in a column ``row_number``.
    :param keep: further columns to copy to the output; ``"*"`` for all columns of the row, in the row's order.
    :param column_prefix: put before the name of each *output* column, so that it does not clash with the user's.
    :raises ConfigurationError: a name is not a string, the key is empty, or a name clashes with an output column.
    """

    key: str | Sequence[str] | None = None
    keep: str | Sequence[str] = ()
    column_prefix: str = ""

    key_columns: tuple[str, ...] = field(init=False)
    kept_columns: tuple[str, ...] = field(init=False)
    output_columns: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.column_prefix, str):
            raise ConfigurationError(f"`column_prefix` is {self.column_prefix!r:.40}; it must be a string.")
        keys = (ROW_NUMBER_COLUMN,) if self.key is None else _names(self.key, "key")
        if not keys:
            raise ConfigurationError("`key` names no column. Name one or more, or leave `key` out to number the rows.")
        kept = () if self.keep == "*" else tuple(name for name in _names(self.keep, "keep") if name not in keys)
        object.__setattr__(self, "key_columns", keys)
        object.__setattr__(self, "kept_columns", kept)
        object.__setattr__(self, "output_columns", frozenset(self.column_prefix + name for name in OUTPUT_COLUMNS))
        if self.key is None and self.keep != "*" and ROW_NUMBER_COLUMN in _names(self.keep, "keep"):
            raise ConfigurationError(_ROW_NUMBER_CLASH)
        self._refuse_clash((*keys, *kept))

    def key_of(self, row: Mapping[str, Any], number: int) -> bytes:
        """Return the key columns as a JSON object; equal bytes are equal keys, and 1, 1.0, "1" and true differ.

        :param row: the row.
        :param number: its position, from 0.
        :raises InvalidRowError: a key column is missing or its value is not JSON.
        """
        if self.key is None:
            return b'{"row_number":%d}' % number  # ROW_NUMBER_COLUMN
        return self._encode(row, number, self.key_columns, "key")

    def columns_of(self, row: Mapping[str, Any], number: int) -> bytes:
        """Return key and kept columns as one JSON object, in output order.

        Dates, times, UUIDs and Decimals become text; bytes become base64.

        :param row: the row.
        :param number: its position, from 0.
        :raises InvalidRowError: a column is missing or its value is not JSON.
        :raises ConfigurationError: with ``keep="*"``, a column has the name of an output column.
        """
        return self.with_kept_columns(self.key_of(row, number), row, number)

    def with_kept_columns(self, key_json: bytes, row: Mapping[str, Any], number: int) -> bytes:
        """Return the same as :meth:`columns_of`, from the result of :meth:`key_of`."""
        kept = self._kept_columns_of(row) if self.keep == "*" else self.kept_columns
        if not kept:
            return key_json
        return b"%b,%b" % (key_json[:-1], self._encode(row, number, kept, "keep")[1:])

    def known_columns_of(self, row: Mapping[str, Any], number: int) -> bytes:
        """Return the same as :meth:`columns_of` for an invalid row: null in place of what it lacks, or is not JSON.

        :raises ConfigurationError: as :meth:`columns_of`.
        """
        kept = self._kept_columns_of(row)
        named = kept if self.key is None else (*self.key_columns, *kept)
        known = {} if self.key is not None else {b'"row_number"': b"%d" % number}  # ROW_NUMBER_COLUMN
        for name in named:
            try:
                known[encode_values(str(name))] = encode_values(_or_null(row, name))
            except NotJsonError:
                continue  # a name that JSON cannot hold
        return b"{%b}" % b",".join(b"%b:%b" % column for column in known.items())

    def _kept_columns_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if self.keep != "*":
            return self.kept_columns
        if self.key is None and ROW_NUMBER_COLUMN in row:
            raise ConfigurationError(_ROW_NUMBER_CLASH)
        if not self.output_columns.isdisjoint(row):
            self._refuse_clash(row)
        return tuple(name for name in row if name not in self.key_columns)

    def _encode(self, row: Mapping[str, Any], number: int, names: tuple[str, ...], argument: str) -> bytes:
        try:
            encode = encode_values if self.keep == "*" else encode_columns  # whose names are known to be text
            return encode({name: row[name] for name in names})
        except KeyError as error:
            raise InvalidRowError(
                f"{row_name(number)} has no column {error.args[0]!r}, which `{argument}` names. Correct "
                f"`{argument}` or the row. Its columns are: {listed(row)}.",
                row_number=number,
            ) from error
        except NotJsonError as error:
            name, problem = _at_fault(row, names, error)
            raise InvalidRowError(
                f"{row_name(number)}: column {name!r}, which `{argument}` names, is not JSON: {problem}. Convert it, "
                f"or leave it out of `{argument}`.",
                row_number=number,
            ) from error

    def _refuse_clash(self, names: Sequence[str] | Mapping[str, Any]) -> None:
        clashes = [name for name in names if name in self.output_columns]
        if clashes:
            raise ConfigurationError(
                f"Your rows and the output both have columns named {listed(clashes)}. Set `column_prefix=` (now "
                f"{self.column_prefix!r}) to a prefix for the output's own names, such as 'answer_', or name other "
                f"columns in `key` and `keep`."
            )


def _or_null(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a column; None if the row lacks it, or it is not JSON."""
    value = row.get(name)
    try:
        encode_values(value)
    except NotJsonError:
        return None
    return value


def _at_fault(row: Mapping[str, Any], names: Sequence[str], error: NotJsonError) -> tuple[str, NotJsonError]:
    """Return the first column that is not JSON, and why."""
    for name in names:
        try:
            encode_values({name: row[name]})
        except NotJsonError as own:
            return name, own
    return names[0], error


_ROW_NUMBER_CLASH = (
    "Your rows have a column row_number, but without `key` the output uses that name to number its rows. Set `key`, "
    "such as key='row_number', or leave that column out of `keep`."
)


def _names(names: object, argument: str) -> tuple[str, ...]:
    """Return one or more names as a tuple without repeats."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(dict.fromkeys(names))
    raise ConfigurationError(f"`{argument}` is {names!r:.80}; it must be a column name or a list of column names.")
