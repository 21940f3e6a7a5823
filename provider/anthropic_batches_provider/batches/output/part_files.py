"""Part files: one for the rows of each batch, in the destination whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.batches.ledger import TallyRecord
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.formats import OutputFormat
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.output.source import OutputPart
from anthropic_batches_provider.batches.output.tally import Tally

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """A part file that is in its destination, whole.

    :param bytes: size of the file.
    :param tally: what was counted in it.
    """

    name: str
    rows: int
    bytes: int
    tally: TallyRecord


def write_part(
    part: OutputPart,
    name: str,
    destination: Destination,
    spool: Path,
    *,
    before_put: Callable[[], None] = lambda: None,
) -> WrittenPart:
    """Write a part to a local file and put it into the destination, whole or not at all.

    :param name: of the file in the destination.
    :param spool: local folder.
    :param before_put: called when the local file is whole; what it raises keeps the destination as it is.
    """
    path = spool / "part"
    tally = Tally()
    try:
        with destination.format.open(path, part.layout) as sink:
            part.write_to(CountedRows(sink, tally), spool)
        size = path.stat().st_size
        before_put()
        destination.storage.put_file(path, name)
    finally:
        path.unlink(missing_ok=True)
    part.close(spool)
    log.info("Wrote %s/%s: %d rows of batch %s, %d bytes", destination.uri, name, tally.rows, part.batch.id, size)
    return WrittenPart(name=name, rows=tally.rows, bytes=size, tally=tally.record())


def part_names(short_id: str, parts: int, output_format: OutputFormat, taken: Set[str]) -> list[str]:
    """Return the names of the part files, none of which is taken.

    The same job collected again, perhaps with other columns, must not write over files that readers may have open and
    that the manifest in place still describes.

    :param short_id: of the job, or of the batches.
    :param taken: names that the previous manifest lists, or that another way of writing the same rows has used.
    """
    generation = 1
    while True:
        mark = "" if generation == 1 else f"-{generation}"
        names = [f"part-{index:05d}-{short_id}{mark}{output_format.suffix}" for index in range(parts)]
        if taken.isdisjoint(names):
            return names
        generation += 1
