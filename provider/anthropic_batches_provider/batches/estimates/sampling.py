"""A sample of rows, drawn while they pass by: each in proportion to its size, in constant memory.

Each draw is a reservoir of its own, so that they are independent, and a row may be drawn several times. A sum over all
rows is then estimated without bias by the total size times the mean of value by size (Hansen and Hurwitz), however the
values are distributed. It is the more exact, the more nearly values are proportional to sizes.

Invariant: equal sizes and an equal seed give an equal sample.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Generic, NamedTuple, TypeVar

from anthropic_batches_provider.batches.estimates.estimated_sums import EstimatedSum

Row = TypeVar("Row")
Kept = TypeVar("Kept")


class Draw(NamedTuple, Generic[Kept]):
    """A row that was drawn.

    :param size: that its chance was in proportion to.
    """

    row: Kept
    size: int


class SizedSample(Generic[Row, Kept]):
    """Draws rows with replacement, in one pass. As long as there are no more rows than draws, it keeps them all.

    :param draws: how many, at least 2.
    :param keep: makes what is kept of a row that was drawn; called at most once for a row.
    """

    def __init__(self, draws: int, *, seed: str, keep: Callable[[Row], Kept]) -> None:
        if draws < 2:
            raise ValueError(f"A sample needs 2 draws at least, not {draws}.")
        self._random = random.Random(seed)
        self._keep = keep
        self._all: list[Draw[Kept]] | None = []
        self._drawn: list[Draw[Kept] | None] = [None] * draws
        self._next_at = [0.0] * draws
        self._earliest = 0.0
        self.rows = 0
        self.size = 0

    def add(self, row: Row, size: int) -> None:
        """Take the next row.

        :param size: at least 1.
        """
        self.rows += 1
        self.size += size
        if self.size < self._earliest and self._all is None:
            return
        self._consider(row, size)

    def _consider(self, row: Row, size: int) -> None:
        draw: Draw[Kept] | None = None
        if self._all is not None:
            if self.rows > len(self._drawn):
                self._all = None
            else:
                draw = Draw(self._keep(row), size)
                self._all.append(draw)
        total = self.size
        if total < self._earliest:
            return
        for slot, at in enumerate(self._next_at):
            if total >= at:
                draw = draw or Draw(self._keep(row), size)
                self._drawn[slot] = draw
                # A draw stays on its row until a total of T with the probability total / T.
                self._next_at[slot] = total / (1.0 - self._random.random())
        self._earliest = min(self._next_at)

    @property
    def is_complete(self) -> bool:
        """Whether it holds all rows, so that sums over them are exact."""
        return self._all is not None

    def kept(self) -> Iterator[Kept]:
        """Yield the rows of the sample, each once."""
        seen = set()
        for draw in self._draws():
            if id(draw) not in seen:
                seen.add(id(draw))
                yield draw.row

    def sum_of(self, value: Callable[[Kept], int]) -> EstimatedSum:
        """Estimate the sum of a value over all rows.

        :param value: takes a row of the sample, and is called once for each.
        """
        draws = self._draws()
        if self.is_complete:
            return EstimatedSum.exact(sum(value(draw.row) for draw in draws))
        values = {id(draw): value(draw.row) for draw in draws}
        if not any(values.values()):
            return EstimatedSum()
        shares = [Fraction(values[id(draw)], draw.size) for draw in draws]
        point = round(self.size * sum(shares, Fraction()) / len(shares))
        return EstimatedSum.of_mean(point, [float(self.size * share) for share in shares])

    def _draws(self) -> list[Draw[Kept]]:
        if self._all is not None:
            return self._all
        return [draw for draw in self._drawn if draw is not None]
