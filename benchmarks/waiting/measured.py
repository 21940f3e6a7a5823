"""What a triggerer's process found out about itself: passed on from the program to who started it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LoopUse:
    """What a process and its event loop took while they were watched; seconds, where nothing else is said.

    :param cpu: processor time of all its threads, in the program and in the kernel on its behalf.
    :param memory: bytes by which the resident memory grew, at the most, looked at every second.
    :param stall: by how much the latest of a timer's calls, one every 20 ms, came too late.
    :param stall_without_collections: the same, where Python's garbage collections are taken off.
    :param turn: processor time of the loop's thread in its longest turn.
    :param turn_without_collections: the same, without the collections.
    :param collections: how many collections were full ones.
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
    """A run of a triggerer's process.

    :param use: from the start of the first trigger to the end of the last.
    :param heard: when the triggerer had each batch's event, in seconds since the epoch, by the id of the batch.
    """

    use: LoopUse
    heard: Mapping[str, float]
