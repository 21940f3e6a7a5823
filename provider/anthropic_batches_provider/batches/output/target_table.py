"""The table of a database that an output is published to, as the engine sees it.

Invariants of every implementation: nobody sees a row before the publish; the publish replaces the rows of one owner in
one transaction, and leaves all others; a publish that broke off can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from anthropic_batches_provider.batches.output.manifest import TableRecord
from anthropic_batches_provider.batches.output.table_columns import TableColumn


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPart:
    """A part of an output that is to be loaded.

    :param name: unique for its content within the job.
    :param rows: the number of its rows.
    :param open: opens its rows, each with the values of the columns, in order; may be called again.
    """

    name: str
    rows: int
    open: Callable[[], AbstractContextManager[Iterator[list[Any]]]]


class TargetTable(Protocol):
    """A table that belongs to several owners, of which one task is one."""

    @property
    def record(self) -> TableRecord:
        """What the manifest says of it."""

    @property
    def uri(self) -> str:
        """What messages and the manifest call it."""

    def check(self, columns: Sequence[TableColumn]) -> None:
        """Check, before anything is spent, that the rows can be loaded; make the table if the task says so.

        :raises ConfigurationError: the table is missing, lacks a column, or has one whose type does not fit, or the
            user may not insert or delete.
        :raises SourceError: the database could not be asked.
        """

    def publish(
        self,
        parts: Sequence[StagedPart],
        columns: Sequence[TableColumn],
        check_current: Callable[[], None],
        *,
        kept: str,
    ) -> None:
        """Replace the owner's rows by those of the parts.

        :param check_current: called while no other attempt can publish; if it raises, the table stays as it is.
        :param kept: where the answers are while they are not loaded, as a sentence for errors.
        :raises SourceError: the database failed; the table is as it was, and a retry loads the rest.
        :raises ConfigurationError: the table must be changed; it is as it was.
        """
