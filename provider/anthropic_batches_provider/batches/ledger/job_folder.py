"""The folder of one job: its description, its shards and the records of the ledger.

    job.json                        what the job is (:class:`JobRecord`)
    abandoned.json                  another job takes this one's place; nothing more is sent
    contested.json                  a changed question asks to replace this job, which had sent nothing when checked
    contest-verdict.json            whether the job is kept, because it had begun to send, or abandoned
    sealed.json                     the shards; from here on the rows are never read again
    sealed-02.json                  the shards of a further round: rows that lacked a usable result
    requests/00000-{attempt}.jsonl  one request a line, exactly as sent
    rows/00000-{attempt}.jsonl      the key and kept columns of the same rows
    ledger/00000-01-intent.json     about to create the batch of shard 0, first attempt
    ledger/00000-01-outcome.json    submitted, adopted, refused or void
    ledger/00000-ended.json         its batch has ended
    ledger/00000-part-0001-….json   the rows of shard 0 are in the destination, for the first collection
    ledger/collected-0001.json      the results were written
    unusable/00000-{attempt}.jsonl  the rows of shard 0 without a usable result at that time, with their requests

A listing shows the state. Intents and outcomes are created exclusively: the attempt that creates the intent of a shard
sends it. A record is read only once, because no record is ever rewritten; a missing record is always looked for again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.ledger.collection_records import (
    CollectionRecord,
    PartRecord,
)
from anthropic_batches_provider.batches.ledger.paths import seal_name
from anthropic_batches_provider.batches.ledger.record_format import Record, create_once, decode
from anthropic_batches_provider.batches.ledger.records import (
    AbandonedRecord,
    BatchRecord,
    ClaimRecord,
    ContestRecord,
    EndRecord,
    ForeignRecord,
    IntentRecord,
    JobRecord,
    OutcomeRecord,
    SealRecord,
    ShardRecord,
    VerdictRecord,
)
from anthropic_batches_provider.batches.ledger.shard_state import Attempt, ShardState
from anthropic_batches_provider.batches.ledger.storage import Storage
from anthropic_batches_provider.errors import CorruptLedgerError, JobNotFoundError

_READ_BYTES = 1 << 20

_Record = TypeVar("_Record", bound=Record)

_INTENT = re.compile(r"(\d{5,})-(\d{2,})-intent\.json\Z")
_ENDED = re.compile(r"(\d{5,})-ended\.json\Z")
_PART = re.compile(r"(\d{5,})-part-(\d{4,})-[0-9a-f]+-\d+\.json\Z")
_COLLECTED = re.compile(r"collected-(\d{4,})\.json\Z")


class JobFolder:
    """A job in a storage.

    :param storage: the storage that holds all jobs and claims.
    :param path: the job's folder in it, e.g. ``dag/task/unit/-/job-0001``.
    """

    def __init__(self, storage: Storage, path: str) -> None:
        self.storage = storage
        self.path = path
        self._known: dict[str, Record] = {}

    @property
    def uri(self) -> str:
        """The job's URI, as job references carry it."""
        return f"{self.storage.uri}/{self.path}"

    @property
    def name(self) -> str:
        """The job's short name, e.g. ``job-0001``."""
        return self.path.rsplit("/", 1)[-1]

    def exists(self) -> bool:
        """Return whether there is a job here."""
        return self._read("job.json", JobRecord) is not None

    def description(self) -> JobRecord:
        """Return the description of the job.

        :raises JobNotFoundError: there is no such job.
        """
        record = self._read("job.json", JobRecord)
        if record is None:
            raise JobNotFoundError(
                f"There is no job at {self.uri}. Check whether its folder was removed, or whether the storage has "
                "changed since it was submitted. Its batches may still run and be billed: look them up in the Claude "
                "Console. Nothing new was submitted."
            )
        return record

    def lines_of(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file of the job, without their line feeds.

        :param name: path in the job folder.
        :raises FileNotFoundError: the file does not exist.
        """
        with self.storage.open(f"{self.path}/{name}") as file:
            yield from split_lines(iter(lambda: file.read(_READ_BYTES), b""))

    def find_seal(self) -> SealRecord | None:
        """Return the shards of the first round, or None until all rows have been read."""
        return self._read(seal_name(1), SealRecord)

    def first_seal(self) -> SealRecord:
        """Return the shards of the first round.

        :raises JobNotFoundError: the job has none yet; its submission did not get that far.
        """
        seal = self.find_seal()
        if seal is None:
            self.description()
            raise JobNotFoundError(
                f"The job at {self.uri} has no shards yet: the task that submits it has not read all rows. "
                "Let that task finish first. Nothing was sent or billed."
            )
        return seal

    def rounds(self) -> list[SealRecord]:
        """Return the shards of every round, in order.

        :raises JobNotFoundError: the job has none.
        """
        seals = [self.first_seal()]
        while (seal := self._read(seal_name(len(seals) + 1), SealRecord)) is not None:
            seals.append(seal)
        return seals

    def shards(self) -> list[ShardState]:
        """Return the current state of every shard of every round, in order."""
        attempts: dict[int, list[Attempt]] = {}
        ends: dict[int, EndRecord | None] = {}
        for name in self.storage.list(f"{self.path}/ledger"):
            if found := _INTENT.match(name):
                attempts.setdefault(int(found[1]), []).append(self._attempt(int(found[1]), int(found[2])))
            elif found := _ENDED.match(name):
                ends[int(found[1])] = self._read(f"ledger/{name}", EndRecord)
        return [
            ShardState(shard=shard, attempts=tuple(attempts.get(shard.shard, ())), end=ends.get(shard.shard))
            for seal in self.rounds()
            for shard in seal.shards
        ]

    def has_intents(self) -> bool:
        """Return whether anything was, or was about to be, sent for this job."""
        return any(_INTENT.match(name) for name in self.storage.list(f"{self.path}/ledger"))

    def batches(self) -> list[BatchRecord]:
        """Return the known batches of all shards, in order of the shards."""
        return [batch for state in self.shards() if (batch := state.batch) is not None]

    def shard_state(self, shard: ShardRecord) -> ShardState:
        """Return the current state of one shard."""
        names = self.storage.list(f"{self.path}/ledger")
        numbers = sorted(
            int(found[2]) for name in names if (found := _INTENT.match(name)) and int(found[1]) == shard.shard
        )
        return ShardState(shard=shard, attempts=tuple(self._attempt(shard.shard, number) for number in numbers))

    def create_seal(self, seal: SealRecord) -> SealRecord:
        """Seal a round of the job, or return the seal of another attempt that came first."""
        return seal if self._create_once(seal_name(seal.round), seal) else self.rounds()[seal.round - 1]

    def record_abandonment(self, at: str) -> None:
        """Record that another job takes this one's place; call this before canceling anything of this one."""
        self._create_once("abandoned.json", AbandonedRecord(at=at))

    def is_abandoned(self) -> bool:
        """Return whether another job takes this one's place."""
        return self._read("abandoned.json", AbandonedRecord) is not None

    def record_contest(self, at: str) -> None:
        """Record that a changed question asks to replace this job; only then check what was sent."""
        self._create_once("contested.json", ContestRecord(at=at))

    def decide_contest(self, *, keep: bool) -> bool:
        """Decide an open contest, unless another attempt has decided it first; return whether the job is kept."""
        if self._create_once("contest-verdict.json", VerdictRecord(kept=keep)):
            return keep
        verdict = self._read("contest-verdict.json", VerdictRecord)
        assert verdict is not None  # noqa: S101 - records are never removed
        return verdict.kept

    def has_lost_contest(self) -> bool:
        """Return whether a contest was decided against this job: then nothing of it was or will be sent."""
        verdict = self._read("contest-verdict.json", VerdictRecord)
        return verdict is not None and not verdict.kept

    def is_replaced(self) -> bool:
        """Return whether nothing more may be sent for this job; this decides no contest."""
        return self.is_abandoned() or self.has_lost_contest()

    def keep_place(self) -> bool:
        """Return whether this job may continue, for an attempt of its own; decides an open contest in its favor.

        Call it between an intent and its POST. A task that contests the job records the contest first, and looks for
        intents afterwards. So either that task sees this intent, or this call sees the contest.
        """
        if self.is_abandoned():
            return False
        return self._read("contested.json", ContestRecord) is None or self.decide_contest(keep=True)

    def record_intent(self, intent: IntentRecord) -> bool:
        """Record an intent; return False if another attempt has already recorded this one."""
        return self._create_once(f"ledger/{intent.shard:05d}-{intent.attempt:02d}-intent.json", intent)

    def record_outcome(self, outcome: OutcomeRecord) -> bool:
        """Record how an intent ended; return False if another attempt has already settled it differently."""
        return self._create_once(f"ledger/{outcome.shard:05d}-{outcome.attempt:02d}-outcome.json", outcome)

    def outcome_of(self, intent: IntentRecord) -> OutcomeRecord | None:
        """Return how an intent ended, as known now; None while that is not known."""
        return self._attempt(intent.shard, intent.attempt).outcome

    def claim(self, batch_id: str, shard: int) -> bool:
        """Claim a batch for this job; return False if it belongs to another job or shard."""
        return create_once(self.storage, f"claims/{batch_id}.json", ClaimRecord(job=self.path, shard=shard))

    def claim_of(self, batch_id: str) -> ClaimRecord | None:
        """Return which job a batch belongs to; None if no job has claimed it."""
        path = f"claims/{batch_id}.json"
        try:
            content = self.storage.read(path)
        except FileNotFoundError:
            return None
        return decode(content, ClaimRecord, where=f"{self.storage.uri}/{path}")

    def record_foreign(self, intent: IntentRecord, batch_id: str) -> None:
        """Record that a batch was proven not to be that of a create call whose answer was lost."""
        self._create_once(_foreign_name(intent, batch_id), ForeignRecord(batch_id=batch_id))

    def foreign_to(self, intent: IntentRecord) -> frozenset[str]:
        """Return the batches that were proven not to be that of a create call whose answer was lost."""
        beginning = _foreign_name(intent, "")
        folder, _, prefix = beginning.rpartition("/")
        names = (name for name in self.storage.list(f"{self.path}/{folder}") if name.startswith(prefix))
        return frozenset(name.removeprefix(prefix).removesuffix(".json") for name in names)

    def record_end(self, end: EndRecord) -> None:
        """Record that a batch has ended; recording it twice is fine."""
        self._create_once(f"ledger/{end.shard:05d}-ended.json", end)

    def parts(self) -> list[PartRecord]:
        """Return the written parts of every collection, by shard."""
        names = self.storage.list(f"{self.path}/ledger")
        found = (self._read(f"ledger/{name}", PartRecord) for name in names if _PART.match(name))
        return [part for part in found if part is not None]

    def record_part(self, part: PartRecord) -> PartRecord:
        """Record that a part was written, or return the record of another attempt that came first."""
        name = f"ledger/{part.shard:05d}-part-{part.collection:04d}-{part.written_as}-{part.shards}.json"
        if self._create_once(name, part):
            return part
        found = self._read(name, PartRecord)
        assert found is not None  # noqa: S101 - records are never removed
        return found

    def collection_count(self) -> int:
        """Return how many times all results were written."""
        return max(self._collections(), default=0)

    def record_collection(self, collection: CollectionRecord) -> None:
        """Record that the results were written; every collection leaves its own record."""
        number = 1 + max(self._collections(), default=0)
        while not self._create_once(f"ledger/collected-{number:04d}.json", collection):
            number += 1

    def last_collection(self) -> CollectionRecord | None:
        """Return the latest collection of the job's results; None if they were never all written."""
        number = max(self._collections(), default=0)
        return self._read(f"ledger/collected-{number:04d}.json", CollectionRecord) if number else None

    def is_finished(self) -> bool:
        """Return whether the results of every shard of every round were written."""
        collection = self.last_collection()
        return collection is not None and collection.shards == sum(len(seal.shards) for seal in self.rounds())

    def was_finished_by(self, tries: str) -> bool:
        """Return whether the latest collection was made by one of these tries of a task; "" names none."""
        collection = self.last_collection()
        return bool(tries) and collection is not None and collection.tries == tries

    def _collections(self) -> list[int]:
        names = self.storage.list(f"{self.path}/ledger")
        return [int(found[1]) for name in names if (found := _COLLECTED.match(name))]

    def _attempt(self, shard: int, number: int) -> Attempt:
        name = f"ledger/{shard:05d}-{number:02d}"
        intent = self._read(f"{name}-intent.json", IntentRecord)
        if intent is None or (intent.shard, intent.attempt) != (shard, number):
            raise CorruptLedgerError(
                f"{self.uri}/{name}-intent.json was listed but does not hold that intent. Check whether the "
                "job's folder was changed manually, or copied from another. Nothing was spent."
            )
        return Attempt(intent=intent, outcome=self._read(f"{name}-outcome.json", OutcomeRecord))

    def _create_once(self, name: str, record: Record) -> bool:
        """Create a record; return False if another one has its name."""
        return create_once(self.storage, f"{self.path}/{name}", record)

    def _read(self, name: str, kind: type[_Record]) -> _Record | None:
        known = self._known.get(name)
        if isinstance(known, kind):
            return known
        path = f"{self.path}/{name}"
        try:
            content = self.storage.read(path)
        except FileNotFoundError:
            return None
        record = self._known[name] = decode(content, kind, where=f"{self.storage.uri}/{path}")
        return record


def _foreign_name(intent: IntentRecord, batch_id: str) -> str:
    name = f"foreign/{intent.shard:05d}-{intent.attempt:02d}-{batch_id}"
    return f"{name}.json" if batch_id else name
