"""Where encoded rows go: part files in a destination, or a bounded list in memory."""

from __future__ import annotations

import gzip
import io
import json
import logging
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.ledger import TallyRecord
from anthropic_batches_provider.batches.output.destination import Destination, OutputFormat
from anthropic_batches_provider.batches.output.manifest import Tally
from anthropic_batches_provider.batches.output.source import OutputPart, OutputSource
from anthropic_batches_provider.errors import XComLimitError

log = logging.getLogger(__name__)

_BUFFER_BYTES = 1 << 18
_GZIP_LEVEL = 6


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
        with closing(part.rows(spool, tally)) as rows:
            count = _write_lines(rows, path, destination.output_format)
        size = path.stat().st_size
        before_put()
        destination.storage.put_file(path, name)
    finally:
        path.unlink(missing_ok=True)
    part.close(spool)
    log.info("Wrote %s/%s: %d rows of batch %s, %d bytes", destination.uri, name, count, part.batch.id, size)
    return WrittenPart(name=name, rows=count, bytes=size, tally=tally.record())


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
        names = [f"part-{index:05d}-{short_id}{mark}.{output_format}" for index in range(parts)]
        if taken.isdisjoint(names):
            return names
        generation += 1


def rows_in_memory(work: OutputSource, spool: Path, tally: Tally, *, max_bytes: int) -> list[dict[str, Any]]:
    """Return the rows as dicts.

    :param max_bytes: of all rows as JSON Lines.
    :raises XComLimitError: they are more; as soon as that is known.
    """
    found: list[dict[str, Any]] = []
    size = 0
    for part in work.parts:
        with closing(part.rows(spool, tally)) as rows:
            for line in split_lines(rows):
                size += len(line) + 1
                if size > max_bytes:
                    raise _too_large(work, len(found) + 1, size, max_bytes)
                found.append(json.loads(line))
    for part in work.parts:
        part.close(spool)
    return found


def _too_large(work: OutputSource, rows: int, size: int, max_bytes: int) -> XComLimitError:
    total = sum(part.requests for part in work.parts)
    return XComLimitError(
        f"The first {rows:,} of {total:,} rows take {size:,} bytes as JSON; XCom is limited to {max_bytes:,} bytes "
        "here, as it lies in Airflow's database. Give destination= the URI of a folder in place of 'xcom', such as "
        "s3://conn_id@bucket/folder/: rows of any number are written there, and XCom gets the manifest. Nothing is "
        "lost: the results stay at Anthropic for 29 days after submission, and collecting them again costs nothing."
    )


def _write_lines(blocks: Iterator[bytes], path: Path, output_format: OutputFormat) -> int:
    count = 0
    with _opened(path, output_format) as file:
        for lines in blocks:
            file.write(lines)
            count += lines.count(b"\n")
    return count


@contextmanager
def _opened(path: Path, output_format: OutputFormat) -> Iterator[BinaryIO]:
    """Open a local file for lines; equal lines give equal files, so gzip's header holds neither time nor name."""
    with path.open("wb", buffering=_BUFFER_BYTES) as file:
        if output_format == "jsonl":
            yield file
            return
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0) as compressed,
            io.BufferedWriter(cast("io.RawIOBase", compressed), _BUFFER_BYTES) as buffered,
        ):
            yield buffered
