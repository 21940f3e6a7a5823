"""The columns of jobs that recorded no types: all names that their rows files hold, as text."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from anthropic_batches_provider.batches.invalid_rows import read_invalid_row
from anthropic_batches_provider.batches.ledger import ColumnRecord, JobFolder
from anthropic_batches_provider.batches.rows.column_types import MOST_COLUMNS
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.errors import ConfigurationError, CorruptLedgerError

log = logging.getLogger(__name__)

_TEXT = "string"
_NAMES = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@lru_cache(maxsize=4)
def untyped_columns(job: JobFolder) -> tuple[ColumnRecord, ...]:
    """Return the columns of all rows of a job, in the order in which they first appear.

    Each rows file is read once, however many parts the output has.

    :raises ConfigurationError: they are more than a table can have.
    :raises CorruptLedgerError: a rows file is missing or damaged.
    """
    names: dict[str, None] = {}
    for shard in job.first_seal().part_shards:
        for line in _lines(job, shard.rows_file):
            names |= dict.fromkeys(line)
            if len(names) > MOST_COLUMNS:
                raise ConfigurationError(
                    f"The rows of {job.uri} have more than {MOST_COLUMNS:,} different columns, which is too many for a "
                    "table. Name those that you need in `keep`, or write them as they are: output_format='jsonl'. "
                    "Nothing was written, and nothing is lost."
                )
    log.warning(
        "%s was sealed before the types of columns were recorded: its own columns are text in this output.", job.uri
    )
    return tuple(ColumnRecord(name=name, type=_TEXT) for name in names)


def _lines(job: JobFolder, name: str) -> Iterator[dict[str, msgspec.Raw]]:
    """Yield the own columns of each row, valid or not."""
    whole = 0
    try:
        for line in job.lines_of(name):
            invalid = None if line.startswith(b"{") else read_invalid_row(line)
            yield _NAMES(line if invalid is None else invalid.columns)
            whole += 1
    except (FileNotFoundError, *UNDECODABLE) as error:
        raise CorruptLedgerError(
            f"{job.uri}/{name} is missing, or damaged after its line {whole:,}. Restore the file, or collect with "
            "batch_ids= instead of job=, without the rows' own columns. Nothing was written, and nothing is lost."
        ) from error
