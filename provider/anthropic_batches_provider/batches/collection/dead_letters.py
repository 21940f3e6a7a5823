"""Dead letters: the rows of a shard that stay without a usable result, as ready requests under the rows' own keys.

They hold prompts. The custom_ids of a job's dead letters differ, because its rows' keys do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from anthropic_batches_provider.batches.collection.job_context import RESULTS_REMAIN, JobContext
from anthropic_batches_provider.batches.collection.unusable_rows import UnusableRow, read_unusable_rows
from anthropic_batches_provider.batches.ledger import ShardRecord
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import CorruptLedgerError

_WHOLE_NUMBER = re.compile(rb"0|-?[1-9][0-9]*")
_DECODE_COLUMNS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def dead_letters_of(context: JobContext, shard: ShardRecord, unusable_file: str) -> Iterator[bytes]:
    """Yield a line for each dead row of a shard, in input order: ``{"custom_id": …, "params": {…}}``.

    :param unusable_file: what the collection has kept of the shard, in the job folder.
    :raises CorruptLedgerError: that file, or the rows file, is missing or broken.
    """
    keys = context.record.key_columns
    columns = enumerate(context.lines_of(shard.rows_file), shard.first_row)
    is_judged = context.record.output_schema is not None
    for row in read_unusable_rows(context.job, unusable_file):
        if not _is_dead(row, is_judged=is_judged):
            continue
        own = next((line for number, line in columns if number == row.row), None)
        try:
            if own is None:
                raise ValueError(f"it ends before row {row.row}")
            custom_id = custom_id_of(own, keys)
        except (ValueError, *UNDECODABLE) as error:
            raise CorruptLedgerError(
                f"{context.job.uri}/{shard.rows_file} is broken ({error}), so the keys of rows without a usable result "
                f"are not known. Restore the file, or collect without dead_letters. {RESULTS_REMAIN}"
            ) from error
        yield b'{"custom_id":%b,"params":%b}\n' % (custom_id, bytes(row.params))


def _is_dead(row: UnusableRow, *, is_judged: bool) -> bool:
    """Return whether a row counts as failed: a schema judges every answer; without one, each answer is a success.

    A row that fits is kept for another judge alone.
    """
    if is_judged:
        return FITS not in row.verdicts
    return not (row.verdicts or row.has_answer)


def custom_id_of(columns: bytes, keys: tuple[str, ...]) -> bytes:
    """Return the custom_id of a ready request for a row, as JSON.

    It is the key itself if that is one string or whole number, else the text of a JSON object of the key columns. So is
    a string that begins as such a text does, because no two keys may have one custom_id.

    :param columns: the row's own columns, a JSON object.
    :param keys: the names of the key columns; if none are known, all columns are the key.
    :raises ValueError: the row lacks a key column, or is no JSON object.
    """
    values = _DECODE_COLUMNS(columns)
    key = {name: values[name] for name in keys if name in values} if keys else values
    if not key or len(key) < len(keys):
        raise ValueError(f"a row lacks a key column, of {', '.join(keys)}")
    text = msgspec.json.encode(key).decode()
    only = bytes(next(iter(key.values()))) if len(key) == 1 else b""
    if _WHOLE_NUMBER.fullmatch(only) or (only.startswith(b'"') and not _is_ambiguous(only, next(iter(key)))):
        return only
    return msgspec.json.encode(text)


def _is_ambiguous(string: bytes, name: str) -> bool:
    """Return whether a string may be the text of a JSON object of a key column."""
    value: str = msgspec.json.decode(string, type=str)
    return value.startswith(f"{{{msgspec.json.encode(name).decode()}:")
