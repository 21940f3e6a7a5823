"""The columns of a source and their types: what its files or its database say, else what the values show."""

from __future__ import annotations

from collections.abc import Mapping


class SourceSchema:
    """Collects the types of a source's columns while its rows are read.

    A source that knows the types of its columns declares them, once for each file or query. If two files of one input
    differ in the type of a column, the column has no declared type; and if a file declares nothing, no column has.

    :ivar declarations: how many files or queries declared their types.
    """

    def __init__(self) -> None:
        self.declarations = 0
        self._declared: dict[str, str | None] = {}
        self._is_whole = True

    def declare(self, types: Mapping[str, str]) -> None:
        """Take the types that a file or a query declares.

        :param types: the name of each column, with its type as Arrow writes it, such as ``timestamp[us, tz=UTC]``.
        """
        self.declarations += 1
        for name, kind in types.items():
            self._declared[name] = kind if self._declared.get(name, kind) == kind else None

    def declare_nothing(self) -> None:
        """Take notice of a file with rows whose types nobody knows: only the values of all rows show them."""
        self._is_whole = False

    def declared(self) -> dict[str, str]:
        """Return the columns whose type is declared, and the same in all files."""
        return {name: kind for name, kind in self._declared.items() if kind is not None and self._is_whole}
