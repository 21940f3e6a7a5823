"""What a job needs of the rows of its source, whatever kind of source that is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.batches.rows.splices import Splice


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a source is read for a job.

    :ivar ready_requests: whether the rows are ready requests; a file may then yield :class:`.ReadyLine` instead of
        dicts.
    :ivar digits_of: the columns whose numbers must keep the digits of their file; None for all.
    :ivar schema: takes the types of columns that the source itself tells.
    :ivar splice: makes a row of a line of JSON, where it can; a file may then yield :class:`.SplicedRow` instead of
        dicts. None if no row can be made so.
    """

    ready_requests: bool = False
    digits_of: Collection[str] | None = None
    schema: SourceSchema = field(default_factory=SourceSchema)
    splice: Splice | None = None
