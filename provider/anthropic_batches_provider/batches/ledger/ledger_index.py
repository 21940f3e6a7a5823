"""The names in a job's ledger, sorted by what they record: from one listing, and from what was written since.

A listing of thousands of names for each shard would cost the square of the shards, so a stint lists its ledger once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_INTENT = re.compile(r"(\d{5,})-(\d{2,})-intent\.json\Z")
_OUTCOME = re.compile(r"(\d{5,})-(\d{2,})-outcome\.json\Z")
_ENDED = re.compile(r"(\d{5,})-ended\.json\Z")
_PART = re.compile(r"(\d{5,})-part-(\d{4,})-[0-9a-f]+-\d+\.json\Z")
_COLLECTED = re.compile(r"collected-(\d{4,})\.json\Z")


@dataclass(slots=True)
class LedgerIndex:
    """What the ledger of a job holds, by name.

    :ivar intents: by shard, the numbers of its intents.
    :ivar outcomes: shard and number of each intent that has its outcome.
    :ivar ends: shards whose batch was seen to end.
    :ivar parts: by shard, the names of the records of its written parts.
    :ivar collections: number of the latest complete collection; 0 if there is none.
    """

    intents: dict[int, set[int]] = field(default_factory=dict)
    outcomes: set[tuple[int, int]] = field(default_factory=set)
    ends: set[int] = field(default_factory=set)
    parts: dict[int, set[str]] = field(default_factory=dict)
    collections: int = 0

    @classmethod
    def of(cls, names: Iterable[str]) -> LedgerIndex:
        """Sort the names of a listing; names of other files are ignored."""
        index = cls()
        for name in names:
            index.add(name)
        return index

    def add(self, name: str) -> None:
        """Add the name of a record."""
        if found := _INTENT.match(name):
            self.intents.setdefault(int(found[1]), set()).add(int(found[2]))
        elif found := _OUTCOME.match(name):
            self.outcomes.add((int(found[1]), int(found[2])))
        elif found := _ENDED.match(name):
            self.ends.add(int(found[1]))
        elif found := _PART.match(name):
            self.parts.setdefault(int(found[1]), set()).add(name)
        elif found := _COLLECTED.match(name):
            self.collections = max(self.collections, int(found[1]))

    @property
    def shards(self) -> set[int]:
        """All shards about which anything is recorded."""
        return {*self.intents, *(shard for shard, _ in self.outcomes), *self.ends, *self.parts}


def intent_name(shard: int, number: int) -> str:
    """Return the name of an intent's record."""
    return f"{shard:05d}-{number:02d}-intent.json"


def outcome_name(shard: int, number: int) -> str:
    """Return the name of the record of how an intent ended."""
    return f"{shard:05d}-{number:02d}-outcome.json"


def ended_name(shard: int) -> str:
    """Return the name of the record of a batch's end."""
    return f"{shard:05d}-ended.json"


def pilot_name(seal: int, place: int = 0) -> str:
    """Return the name of the record of what a pilot has shown.

    :param place: its place among the pilots of that round.
    """
    return f"pilot-{seal:02d}-{place + 1}.json" if place else f"pilot-{seal:02d}.json"


def part_name(shard: int, collection: int, written_as: str, shards: int) -> str:
    """Return the name of the record of a written part."""
    return f"{shard:05d}-part-{collection:04d}-{written_as}-{shards}.json"


def collected_name(number: int) -> str:
    """Return the name of the record of a complete collection."""
    return f"collected-{number:04d}.json"
