"""Which rows of a job go out of turn, as its pilot and its primers, and how they are taken out of their shards.

Invariants: the choice depends on the shard and the job's nonce alone; each row is in the pilot or in its shard, never
in both; the files of the rows' own columns stay as they are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.sharding import Shard, body_bytes_of, custom_id_prefix, read_request

Pilot = Literal["auto"] | int
"""``"auto"``, or the number of rows to send first; 0 for none."""

FEWEST_ROWS = 1_000
"""A job of more rows than this has a pilot by default."""
_LEAST_AUTO, _MOST_AUTO = 16, 31
_MOST_DIGITS = 6  # by which the number of its shard makes each custom_id longer
_BUFFER_BYTES = 1 << 20


def pilot_rows(pilot: Pilot, *, rows: int, nonce: str) -> int:
    """Return how many rows go first.

    Sizes differ by job, so that batches of two pilots rarely have equal counts and a lost answer is settled sooner.

    :param rows: of the whole job, as far as they are known; a job that is no larger than its pilot has none.
    """
    if rows <= settled_from(pilot):
        return 0
    if pilot != "auto":
        return pilot
    spread = _MOST_AUTO - _LEAST_AUTO + 1
    return _LEAST_AUTO + random.Random(f"{nonce}/pilot").randrange(spread)


def settled_from(pilot: Pilot) -> int:
    """Return with how many rows it is still not known whether a job has a pilot; with one more it has one."""
    return FEWEST_ROWS if pilot == "auto" else pilot


def chosen_positions(sizes: list[int], count: int, *, nonce: str) -> list[int]:
    """Return the positions of the requests that go first, ascending: the longest, and others of all sizes.

    The very first request stays in its shard, because it is the one that progress reports describe.

    :param sizes: the bytes of each request of the first shard.
    :param count: how many; fewer are returned if there are not so many beside the first.
    """
    by_size = sorted(range(1, len(sizes)), key=lambda position: (sizes[position], position))
    count = min(count, len(by_size))
    if count <= 0:
        return []
    *others, longest = by_size
    drawn = random.Random(f"{nonce}/pilot rows")
    bounds = [len(others) * step // max(count - 1, 1) for step in range(count)]
    strata = pairwise(bounds)
    return sorted([longest, *(others[drawn.randrange(low, high)] for low, high in strata)])


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The requests of a shard that other shards send, by their positions in it.

    :param primers: each of them is sent alone.
    :param pilot: they are sent together; ascending.
    """

    primers: tuple[int, ...] = ()
    pilot: tuple[int, ...] = ()

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The positions that are sent together: primers first."""
        return (*((primer,) for primer in self.primers), *([self.pilot] if self.pilot else []))


NO_ROWS = ChosenRows()


def chosen_rows(
    shard: Shard, *, primers: int = 0, pilot: int = 0, nonce: str, max_bytes: int = MAX_BYTES_PER_BATCH
) -> ChosenRows:
    """Choose the requests of a shard that others send; fewer are chosen if there are not so many beside the first.

    Primers are of middle length, because what happens to an unusual row says nothing of the others.

    :param primers: how many requests are to be sent alone.
    :param pilot: how many are to be sent together.
    :param max_bytes: the most bytes of each body; the longest requests stay in the shard if need be.
    """
    with shard.requests_path.open("rb") as requests:
        sizes = [len(line) for line in requests]
    alone = _middle_positions(sizes, primers, nonce=f"{nonce}/{shard.number}", max_bytes=max_bytes)
    others = [position for position in range(len(sizes)) if position not in alone]
    together = [others[index] for index in chosen_positions([sizes[each] for each in others], pilot, nonce=nonce)]
    return ChosenRows(tuple(alone), tuple(_within(together, sizes, max_bytes)))


def _middle_positions(sizes: list[int], count: int, *, nonce: str, max_bytes: int) -> list[int]:
    by_size = sorted(range(1, len(sizes)), key=lambda position: (sizes[position], position))
    outer = len(by_size) // 4
    middle = [
        position
        for position in by_size[outer : len(by_size) - outer]
        if body_bytes_of(sizes[position]) + _MOST_DIGITS <= max_bytes
    ]
    return random.Random(f"{nonce}/primers").sample(middle, min(count, len(middle)))


@dataclass(frozen=True, slots=True)
class TakenRows:
    """Requests that were taken out of a shard, in a local file, as their shard would have sent them.

    :param rows: the numbers of their rows, ascending.
    """

    path: Path
    rows: tuple[int, ...]
    source: Shard

    def numbered(self, number: int, nonce: str) -> Shard:
        """Return the requests as a shard of a number of its own, and remove this file."""
        old = f'{{"custom_id":"{custom_id_prefix(nonce, self.source.number)}'.encode()
        new = f'{{"custom_id":"{custom_id_prefix(nonce, number)}'.encode()
        requests_path = self.path.with_name(f"requests-{number:05d}.jsonl")
        rows_path = self.path.with_name(f"rows-{number:05d}.jsonl")
        with self.path.open("rb") as requests, requests_path.open("wb", buffering=_BUFFER_BYTES) as numbered:
            for line in requests:
                numbered.write(new + line.removeprefix(old))
        rows_path.write_bytes(b"".join(b"%d\n" % row for row in self.rows))
        self.path.unlink()
        return Shard(
            number=number,
            requests=len(self.rows),
            invalid_rows=0,
            first_row=self.rows[0],
            body_bytes=body_bytes_of(requests_path.stat().st_size),
            requests_path=requests_path,
            rows_path=rows_path,
        )


def take_rows(shard: Shard, groups: Sequence[Sequence[int]]) -> tuple[Shard, list[TakenRows]]:
    """Take requests out of the files of a shard; each group goes to a file of its own.

    :param groups: the positions of the requests of each; no group is empty, and no position is in two.
    :returns: the shard without them, and the groups.
    """
    if not groups:
        return shard, []
    group_of = {position: index for index, group in enumerate(groups) for position in group}
    paths = [shard.requests_path.with_suffix(f".taken-{index}") for index in range(len(groups))]
    rest_path = shard.requests_path.with_suffix(".rest")
    rows: list[list[int]] = [[] for _ in groups]
    with ExitStack() as stack:
        requests = stack.enter_context(shard.requests_path.open("rb"))
        rest = stack.enter_context(rest_path.open("wb", buffering=_BUFFER_BYTES))
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for position, line in enumerate(requests):
            index = group_of.get(position)
            (rest if index is None else files[index]).write(line)
            if index is not None:
                rows[index].append(read_request(line)[0])
    rest_path.replace(shard.requests_path)
    left = replace(
        shard,
        requests=shard.requests - len(group_of),
        piloted_rows=len(group_of),
        body_bytes=body_bytes_of(shard.requests_path.stat().st_size),
    )
    return left, [TakenRows(path, tuple(numbers), shard) for path, numbers in zip(paths, rows, strict=True)]


def _within(positions: list[int], sizes: list[int], max_bytes: int) -> list[int]:
    """Return the positions without the longest requests, so that the body has its size under any number of a shard."""
    kept = sorted(positions, key=sizes.__getitem__)
    body_bytes = body_bytes_of(sum(sizes[position] for position in kept)) + _MOST_DIGITS * len(kept)
    while kept and body_bytes > max_bytes:
        body_bytes -= sizes[kept.pop()] + _MOST_DIGITS
    return sorted(kept)
