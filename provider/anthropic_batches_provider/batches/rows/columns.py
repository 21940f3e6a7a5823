"""Which of its own columns a row keeps in the output: key columns and kept columns.

Invariant: a column of the user and a column of the output never share a name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.batches.output.user_columns import (
    READY_KEY_COLUMN,
    ROW_NUMBER_CLASH,
    ROW_NUMBER_COLUMN,
    UserColumns,
)
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_columns, encode_values
from anthropic_batches_provider.batches.requests.wording import in_other_form, listed, row_name
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

__all__ = ["READY_KEY_COLUMN", "ROW_NUMBER_COLUMN", "RowColumns"]


@dataclass(frozen=True, kw_only=True)
class RowColumns:
    """The user's columns in an output row: key columns first, then kept columns.

    :param key: one or more columns that identify a row; None for the row's number, in a column ``row_number``.
    :param keep: further columns to copy to the output; ``"*"`` for all columns of the row, in the row's order.
    :param column_prefix: put before the name of each *output* column, so that it does not clash with the user's.
    :param result_columns: the names of the output's columns where ``columns=`` chooses them; None for all that any
        output has.
    :raises ConfigurationError: a name is not a string, the key is empty, or a name clashes with an output column.
    """

    key: str | Sequence[str] | None = None
    keep: str | Sequence[str] = ()
    column_prefix: str = ""
    result_columns: Collection[str] | None = None

    key_columns: tuple[str, ...] = field(init=False)
    kept_columns: tuple[str, ...] = field(init=False)
    output_columns: frozenset[str] = field(init=False)
    _named: UserColumns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = UserColumns.of(self.key, self.keep, self.column_prefix, self.result_columns)
        object.__setattr__(self, "key_columns", named.key_columns)
        object.__setattr__(self, "kept_columns", named.kept_columns)
        object.__setattr__(self, "output_columns", named.output_columns)
        object.__setattr__(self, "_named", named)

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
                known[encode_values(str(name))] = _json_or_null(row.get(name))
            except NotJsonError:
                continue  # a name that JSON cannot hold
        return b"{%b}" % b",".join(b"%b:%b" % column for column in known.items())

    def _kept_columns_of(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        if self.keep != "*":
            return self.kept_columns
        if self.key is None and ROW_NUMBER_COLUMN in row:
            raise ConfigurationError(ROW_NUMBER_CLASH)
        if not self.output_columns.isdisjoint(row):
            self._named.refuse_clash(row)
        return tuple(name for name in row if name not in self.key_columns)

    def _encode(self, row: Mapping[str, Any], number: int, names: tuple[str, ...], argument: str) -> bytes:
        try:
            encode = encode_values if self.keep == "*" else encode_columns  # whose names are known to be text
            return encode({name: row[name] for name in names})
        except KeyError as error:
            raise _no_column(error.args[0], row, number, argument) from error
        except NotJsonError as error:
            name, problem = _at_fault(row, names, error)
            raise InvalidRowError(
                f"{row_name(number)}: column {name!r}, which `{argument}` names, is not JSON: {problem}. Convert it, "
                f"or leave it out of `{argument}`.",
                row_number=number,
            ) from error


def _no_column(name: str, row: Mapping[str, Any], number: int, argument: str) -> InvalidRowError:
    other = in_other_form(name, row)
    hint = (
        f"Correct `{argument}` or the row."
        if other is None
        else f"It has {other!a}, another Unicode form of {name!a}: bring both to one form, for example with "
        "unicodedata.normalize('NFC', name)."
    )
    return InvalidRowError(
        f"{row_name(number)} has no column {name!r}, which `{argument}` names. {hint} Its columns are: {listed(row)}.",
        row_number=number,
    )


def _json_or_null(value: object) -> bytes:
    """Return a value as JSON; null if it is not JSON."""
    try:
        return encode_values(value)
    except NotJsonError:
        return b"null"


def _at_fault(row: Mapping[str, Any], names: Sequence[str], error: NotJsonError) -> tuple[str, NotJsonError]:
    """Return the first column that is not JSON, and why."""
    for name in names:
        try:
            encode_values({name: row[name]})
        except NotJsonError as own:
            return name, own
    return names[0], error
