"""Named fields of JSON objects of one kind, each with its type: decoded in one go, and one by one where that fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from anthropic_batches_provider.batches.output.misfits import Misfits
from anthropic_batches_provider.batches.output.table_values import MISFITS, nullable, text_of, value_of

_NULL = msgspec.Raw(b"null")
_DECODE_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ObjectFields:
    """Reads the fields of objects.

    :param types: of each field its Python type, as msgspec decodes it; Raw for its JSON.
    :param labels: of each field, the name under which its misfits are counted.
    :param misfits: counts the values that are no values of their type; they are None.
    :param is_closed: whether an object that has other fields counts as a misfit, under None; else they are ignored.
    """

    def __init__(
        self,
        types: Mapping[str, Any],
        labels: Mapping[str, str],
        misfits: Misfits,
        *,
        is_closed: bool = False,
    ) -> None:
        self._types = types
        self._labels = labels
        self._misfits = misfits
        self._is_closed = is_closed
        self.nulls = tuple(_NULL if kind is msgspec.Raw else None for kind in types.values())
        self._decode = self._decoder()

    def _decoder(self) -> Any:
        names = {f"field_{number}": name for number, name in enumerate(self._types)}
        fields = [
            (field, nullable(kind), _NULL if kind is msgspec.Raw else None)
            for field, kind in zip(names, self._types.values(), strict=True)
        ]
        try:
            made = msgspec.defstruct("Fields", fields, rename=names, gc=False, forbid_unknown_fields=self._is_closed)
        except ValueError:  # msgspec accepts no name with a quote or a backslash
            return None
        return msgspec.json.Decoder(made).decode

    def values(self, content: bytes | msgspec.Raw) -> tuple[Any, ...]:
        """Return the values of an object's fields, in the order of the types; None, or JSON's null, for a missing one.

        :param content: JSON.
        """
        if self._decode is not None:
            try:
                return msgspec.structs.astuple(self._decode(content))
            except MISFITS:
                pass
        return self._one_by_one(content)

    def _one_by_one(self, content: bytes | msgspec.Raw) -> tuple[Any, ...]:
        try:
            found = _DECODE_RAW(content)
        except MISFITS:
            self._misfits[None] += 1
            return self.nulls
        if self._is_closed and not found.keys() <= self._types.keys():
            self._misfits[None] += 1
        return tuple(self._value(name, kind, found.get(name, _NULL)) for name, kind in self._types.items())

    def _value(self, name: str, kind: Any, cell: msgspec.Raw) -> Any:
        try:
            return value_of(cell, kind)
        except MISFITS:
            if kind is str and not self._is_closed:  # a column of the user's that was sealed without a type
                return text_of(cell)
            self._misfits[self._labels[name]] += 1
            return None
