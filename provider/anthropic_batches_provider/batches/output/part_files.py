"""Part files: one for the rows of each batch, completely in the destination or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

from anthropic_batches_provider.batches.ledger import TallyRecord
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.formats import OutputFormat
from anthropic_batches_provider.batches.output.row_sink import CountedRows
from anthropic_batches_provider.batches.output.source import OutputPart
from anthropic_batches_provider.batches.output.tally import tally_of
from anthropic_batches_provider.batches.plurals import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPart:
    """A complete part file in its destination.

    :param bytes: the size of the file.
    :param tally: the counts of its rows.
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
    prices: PriceList,
    *,
    before_put: Callable[[], None] = lambda: None,
) -> WrittenPart:
    """Write a part to a local file, and put it into the destination completely or not at all.

    :param name: the name of the file in the destination.
    :param spool: local folder.
    :param prices: the prices that hold for the job.
    :param before_put: called when the local file is complete; if it raises, the destination stays as it is.
    """
    path = spool / "part"
    tally = tally_of(part.prompt_cache, prices, part.created_at)
    try:
        with destination.format.open(path, part.layout) as sink:
            part.write_to(CountedRows(sink, tally), spool)
        size = path.stat().st_size
        before_put()
        destination.storage.put_file(path, name)
    finally:
        path.unlink(missing_ok=True)
    part.close(spool)
    log.info(
        "Wrote %s/%s: %s of batch %s, %d bytes", destination.uri, name, counted(tally.rows, "row"), part.batch.id, size
    )
    return WrittenPart(name=name, rows=tally.rows, bytes=size, tally=tally.record())


def part_names(short_id: str, parts: int, output_format: OutputFormat, taken: Set[str]) -> list[str]:
    """Return names for the part files that are not taken yet.

    When the same job is collected again, perhaps with other columns, it must not overwrite existing files. Readers may
    have them open, and the manifest in place still describes them.

    :param short_id: the short id of the job, or of the batches.
    :param taken: names that the previous manifest lists, or that another way of writing the same rows has used.
    """
    generation = 1
    while True:
        mark = "" if generation == 1 else f"-{generation}"
        names = [f"part-{index:05d}-{short_id}{mark}{output_format.suffix}" for index in range(parts)]
        if taken.isdisjoint(names):
            return names
        generation += 1
