"""Finds repeated keys: two rows with the same key could not be distinguished in the output.

Memory holds one block of keys, and later one partition of all keys. Keys are compared as they are. Keys above 80 bytes
are compared by their beginning and 256 bits of hash, so that different keys are never taken for equal.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from anthropic_batches_provider.batches.requests.wording import row_name, shortened
from anthropic_batches_provider.errors import InvalidRowError

KEYS_PER_BLOCK = 1 << 16
"""Keys in memory before they go to the disk: 6 to 12 MB, depending on their length."""

_PARTITIONS = 256  # a key's partition fits into one byte; for ten million rows, each holds 40,000 keys
_LONGEST_WHOLE_KEY = 80
_SHOWN_OF_LONG_KEYS = 48


class UniqueKeys:
    """Checks that no key occurs twice.

    A key that is repeated within a block of 65,536 rows is refused at once. Each full block goes to an unnamed file,
    which the operating system removes even if this process is killed. :meth:`check` then compares across blocks. Per
    row, the file takes the length of the key, at most 112 bytes, and 2 more bytes.

    :param spool_folder: local folder for that file.
    :param advice: a sentence, without its period, that says how to make the keys unique.
    """

    def __init__(self, spool_folder: Path, *, advice: str) -> None:
        self._spool_folder = spool_folder
        self._advice = advice
        self._block: dict[bytes, None] = {}  # in order of the rows
        self._spilled: _SpilledKeys | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._spilled is not None:
            self._spilled.close()

    def add(self, key_json: bytes) -> None:
        """Add the key of the next row.

        :param key_json: its JSON bytes, without raw line feeds.
        :raises InvalidRowError: a row of the same block has the same key. The message names both rows.
        """
        if len(key_json) > _LONGEST_WHOLE_KEY:
            key_json = _abridged(key_json)
        block = self._block
        if key_json in block:
            first = self._rows_spilled + list(block).index(key_json)
            raise self._repeated(key_json, first, self._rows_spilled + len(block))
        block[key_json] = None
        if len(block) == KEYS_PER_BLOCK:
            self._spill()

    def check(self) -> None:
        """Compare the keys of all rows; call it after the last row.

        :raises InvalidRowError: two rows have the same key. The message names both.
        """
        if self._spilled is None:
            return  # there is one block, and add() has compared all of it
        self._spill()
        found = self._spilled.first_repeat()
        if found is not None:
            raise self._repeated(*found)

    @property
    def _rows_spilled(self) -> int:
        return self._spilled.rows if self._spilled is not None else 0

    def _spill(self) -> None:
        if self._spilled is None:
            self._spilled = _SpilledKeys(self._spool_folder)
        self._spilled.take(list(self._block))
        self._block.clear()

    def _repeated(self, key_json: bytes, first: int, second: int) -> InvalidRowError:
        return InvalidRowError(
            f"{row_name(second)} has the key {shortened(key_json, 200)}, which row {first} has too: their answers "
            f"could not be distinguished. {self._advice}.",
            row_number=second,
        )


def _abridged(key_json: bytes) -> bytes:
    """Return the beginning of a long key and 64 hex digits of its hash: longer than any key that stays whole."""
    digest = hashlib.blake2b(key_json, digest_size=32).hexdigest()
    return b"%b\xe2\x80\xa6%b" % (key_json[:_SHOWN_OF_LONG_KEYS], digest.encode())


class _SpilledBlock(NamedTuple):
    """The position of a block in the file.

    :param first_row: the number of its first row.
    :param offset: where it begins. Its first bytes are one per row, the row's partition.
    :param offsets: where the keys of each partition begin, followed by where the last partition ends.
    """

    first_row: int
    offset: int
    offsets: Sequence[int]


class _SpilledKeys:
    """Blocks of keys in an unnamed file, each sorted by partition; a partition holds one key per line."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=1 << 18)  # noqa: SIM115 - closed by close()
        self._blocks: list[_SpilledBlock] = []
        self._end = 0
        self.rows = 0

    def close(self) -> None:
        with suppress(OSError):  # the disk is full, so the rest cannot be written; nobody will read it
            self._file.close()

    def take(self, keys: Sequence[bytes]) -> None:
        """Write a block: the keys of the next rows."""
        # Python's hash is available and fast. It differs between processes, but so does the file.
        partition_of_row = bytes([hash(key) % _PARTITIONS for key in keys])
        partitions: list[list[bytes]] = [[] for _ in range(_PARTITIONS)]
        for partition, key in zip(partition_of_row, keys, strict=True):
            partitions[partition].append(key)
        self._file.write(partition_of_row)
        lengths = [self._file.write(b"\n".join(each)) for each in partitions]
        offsets = array("q", accumulate(lengths, initial=self._end + len(keys)))
        self._blocks.append(_SpilledBlock(self.rows, self._end, offsets))
        self._end = offsets[-1]
        self.rows += len(keys)

    def first_repeat(self) -> tuple[bytes, int, int] | None:
        """Return a key that two rows have, and the numbers of both rows; None if there is no such key."""
        self._file.flush()
        for partition in range(_PARTITIONS):
            keys = [key for block in self._blocks for key in self._keys_in(block, partition)]
            if len(set(keys)) < len(keys):
                first, second = _first_repeat(keys)
                return keys[first], self._row_of(partition, first), self._row_of(partition, second)
        return None

    def _keys_in(self, block: _SpilledBlock, partition: int) -> list[bytes]:
        begin, end = block.offsets[partition : partition + 2]
        return self._read(begin, end).split(b"\n") if end > begin else []

    def _row_of(self, partition: int, position: int) -> int:
        """Return the number of the row whose key is at a position among all keys of a partition."""
        for block in self._blocks:
            partition_of_row = self._read(block.offset, block.offsets[0])
            rows = [row for row, each in enumerate(partition_of_row, block.first_row) if each == partition]
            if position < len(rows):
                return rows[position]
            position -= len(rows)
        raise IndexError(position)

    def _read(self, begin: int, end: int) -> bytes:
        return os.pread(self._file.fileno(), end - begin, begin)


def _first_repeat(keys: Sequence[bytes]) -> tuple[int, int]:
    """Return the position of the first key that is repeated, and the position of its repetition."""
    positions: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        first = positions.setdefault(key, position)
        if first != position:
            return first, position
    raise ValueError("all keys differ")
