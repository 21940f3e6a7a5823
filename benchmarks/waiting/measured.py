"""The figures that a triggerer process measures about itself, and passes to the process that started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LoopUse:
    """What a process and its event loop used while they were watched; in seconds unless stated otherwise.

    :param cpu: processor time of all its threads, in the program and in the kernel on its behalf.
    :param memory: bytes by which the resident memory grew at most, checked every second.
    :param stall: the longest delay of a timer that fires every 20 ms.
    :param stall_without_collections: the same, without the time of Python's garbage collections.
    :param turn: processor time of the loop's thread in its longest turn.
    :param turn_without_collections: the same, without the collections.
    :param collections: the number of full collections.
    """

    cpu: float
    memory: int
    stall: float
    stall_without_collections: float
    turn: float
    turn_without_collections: float
    collections: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The figures of one run of a triggerer process.

    :param use: from the start of the first trigger to the end of the last.
    :param heard: when the triggerer received each batch's event, in seconds since the epoch, by batch id.
    """

    use: LoopUse
    heard: Mapping[str, float]
