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
    ledger/pilot-01.json            what the pilot of a round has shown; pilot-01-2.json: its second pilot
    ledger/collected-0001.json      the results were written
    unusable/00000-{attempt}.jsonl  the rows of shard 0 without a usable result at that time, with their requests
    _dead_letters.jsonl             with ``dead_letters=True``: such rows of an output in XCom, as ready requests

A listing shows the state. Intents and outcomes are created exclusively: the attempt that creates the intent of a shard
sends it. A record is read only once, because no record is ever rewritten; a missing record is looked for again.

The work of one process, a stint, lists the ledger once and knows what it has read and written since: its bookkeeping
grows with the shards, and not with their square. A fact on which money hangs (whether the job was replaced, whether an
intent has its outcome) is looked for again each time, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.ledger.batch_claims import BatchClaims
from anthropic_batches_provider.batches.ledger.collection_records import (
    CollectionRecord,
    PartRecord,
)
from anthropic_batches_provider.batches.ledger.job_records import JobRecords
from anthropic_batches_provider.batches.ledger.ledger_index import (
    LedgerIndex,
    collected_name,
    ended_name,
    intent_name,
    outcome_name,
    part_name,
    pilot_name,
)
from anthropic_batches_provider.batches.ledger.paths import seal_name
from anthropic_batches_provider.batches.ledger.pilots import SentPilot, sent_pilots
from anthropic_batches_provider.batches.ledger.record_format import Record
from anthropic_batches_provider.batches.ledger.records import (
    Adopted,
    BatchRecord,
    EndRecord,
    IntentRecord,
    JobRecord,
    OutcomeRecord,
    PilotRecord,
    SealRecord,
    ShardRecord,
    Submitted,
)
from anthropic_batches_provider.batches.ledger.replacement import Replacement
from anthropic_batches_provider.batches.ledger.shard_state import Attempt, ShardState
from anthropic_batches_provider.batches.ledger.storage import Storage
from anthropic_batches_provider.batches.ledger.wholeness import check_facts, check_files
from anthropic_batches_provider.errors import CorruptLedgerError, JobNotFoundError

_READ_BYTES = 1 << 20


class JobFolder:
    """A job in a storage.

    :param storage: the storage that holds all jobs and claims.
    :param path: the job's folder in it, e.g. ``dag/task/unit/-/job-0001``.
    :ivar replacement: whether another job takes this one's place.
    :ivar claims: which batches are this job's, and which are proven not to be.
    """

    def __init__(self, storage: Storage, path: str) -> None:
        self.storage = storage
        self.path = path
        self._records = JobRecords(storage, path)
        self.replacement = Replacement(self._records)
        self.claims = BatchClaims(self._records)
        self._index: LedgerIndex | None = None
        self._seals: list[SealRecord] = []
        self._states: dict[int, ShardState] = {}

    @property
    def uri(self) -> str:
        """The job's URI, as job references carry it."""
        return f"{self.storage.uri}/{self.path}"

    @property
    def unit_folder(self) -> str:
        """The folder of the unit's jobs, in the storage."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The job's short name, e.g. ``job-0001``."""
        return self.path.rsplit("/", 1)[-1]

    def exists(self) -> bool:
        """Return whether there is a job here."""
        return self._records.read("job.json", JobRecord) is not None

    def names(self) -> list[str]:
        """Return the names of the files and folders in the job's folder."""
        return self.storage.list(self.path)

    def description(self) -> JobRecord:
        """Return the description of the job.

        :raises JobNotFoundError: there is no such job.
        """
        record = self._records.read("job.json", JobRecord)
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
        return self._records.read(seal_name(1), SealRecord)

    def first_seal(self) -> SealRecord:
        """Return the shards of the first round.

        :raises JobNotFoundError: the job has none yet; its submission did not get that far.
        """
        seal = self.find_seal()
        if seal is None:
            self.description()
            self.check_whole()
            raise JobNotFoundError(
                f"The job at {self.uri} has no shards yet: the task that submits it has not read all rows. "
                "Let that task finish first. Nothing was sent or billed."
            )
        return seal

    def rounds(self) -> list[SealRecord]:
        """Return the shards of every round, in order.

        :raises JobNotFoundError: the job has none.
        """
        if not self._seals:
            self._seals.append(self.first_seal())
        while (seal := self._records.read(seal_name(len(self._seals) + 1), SealRecord)) is not None:
            self._seals.append(seal)
        return list(self._seals)

    def shards(self) -> list[ShardState]:
        """List the ledger, and return the current state of every shard of every round, in order.

        :raises CorruptLedgerError: records are missing that must be there; see :mod:`.wholeness`.
        """
        _once_more_if_corrupt(self._list_shards)
        return list(self._states.values())

    def _list_shards(self) -> None:
        index = self._list_ledger()
        self.rounds()
        self._states = {shard.shard: self._listed_state(shard, index) for seal in self._seals for shard in seal.shards}
        check_facts(self.uri, index, self._states, self._recorded_batches)

    def known_shards(self) -> list[ShardState]:
        """Return the state of every shard as listed last, with what this process has read and written since."""
        if self._index is None or len(self._states) != sum(len(seal.shards) for seal in self._seals):
            return self.shards()
        return list(self._states.values())

    def has_intents(self) -> bool:
        """Return whether anything was, or was about to be, sent for this job."""
        return bool(self._list_ledger().intents)

    def batches(self) -> list[BatchRecord]:
        """Return the known batches of all shards, in order of the shards, whether or not all is there that must be.

        :raises JobNotFoundError: there is no such job, or it has no shards yet.
        """
        self._list_ledger()
        found = self._recorded_batches()
        if not found:
            self.first_seal()
        return found

    def shard_state(self, shard: ShardRecord) -> ShardState:
        """Look at the records of one shard, by their names, and return its current state."""
        listed = max(self._known_index().intents.get(shard.shard, ()), default=0)
        attempts: list[Attempt] = []
        while (attempt := self._attempt(shard.shard, len(attempts) + 1, must_be=len(attempts) < listed)) is not None:
            attempts.append(attempt)
        known = self._states.get(shard.shard)
        state = ShardState(shard=shard, attempts=tuple(attempts), end=known.end if known is not None else None)
        return self._note(state)

    def unchecked_shards(self) -> list[ShardState]:
        """Return what is there of every shard, whether or not all is there that must be."""
        index = self._list_ledger()
        return [self._listed_state(shard, index) for seal in self.rounds() for shard in seal.shards]

    def check_whole(self) -> None:
        """Check that all records and files are there that must be.

        :raises CorruptLedgerError: one is missing; see :mod:`.wholeness`.
        """
        if self.find_seal() is None:
            index = self._list_ledger()
            if not index.shards or self.find_seal() is None:  # another attempt may have sealed it just now
                check_facts(self.uri, index, {}, self._recorded_batches)
                return
        _once_more_if_corrupt(self._check_files)

    def _check_files(self) -> None:
        sealed = [shard for seal in self.rounds() for shard in seal.shards]  # files are there before their seal
        files = {f"{folder}/{name}" for folder in ("requests", "rows") for name in self._records.list(folder)}
        # The ledger is listed last: requests are removed once their part or the collection is recorded.
        self.shards()
        collection = self.last_collection()
        check_files(self.uri, sealed, files, self._known_index(), collection.shards if collection is not None else 0)

    def create_seal(self, seal: SealRecord) -> SealRecord:
        """Seal a round of the job, or return the seal of another attempt that came first."""
        self._records.create(seal_name(seal.round), seal)
        return self.rounds()[seal.round - 1]

    def record_intent(self, intent: IntentRecord) -> bool:
        """Record an intent; return False if another attempt has already recorded this one."""
        is_ours = self._create_in_ledger(intent_name(intent.shard, intent.attempt), intent)
        state = self._states.get(intent.shard)
        if is_ours and state is not None and len(state.attempts) == intent.attempt - 1:
            self._note(replace(state, attempts=(*state.attempts, Attempt(intent=intent, outcome=None))))
        elif state is not None:
            self.shard_state(state.shard)
        return is_ours

    def record_outcome(self, outcome: OutcomeRecord) -> bool:
        """Record how an intent ended; return False if another attempt has already settled it differently."""
        is_ours = self._create_in_ledger(outcome_name(outcome.shard, outcome.attempt), outcome)
        state = self._states.get(outcome.shard)
        if is_ours and state is not None and len(state.attempts) == outcome.attempt:
            *before, last = state.attempts
            self._note(replace(state, attempts=(*before, replace(last, outcome=outcome))))
        elif state is not None:
            self.shard_state(state.shard)
        return is_ours

    def outcome_of(self, intent: IntentRecord) -> OutcomeRecord | None:
        """Return how an intent ended, as known now; None while that is not known."""
        return self._records.read(f"ledger/{outcome_name(intent.shard, intent.attempt)}", OutcomeRecord)

    def record_end(self, end: EndRecord) -> None:
        """Record that a batch has ended; recording it twice is fine."""
        self._create_in_ledger(ended_name(end.shard), end)
        if (state := self._states.get(end.shard)) is not None:
            self._note(replace(state, end=self._records.read(f"ledger/{ended_name(end.shard)}", EndRecord)))

    def record_pilot(self, pilot: SentPilot, record: PilotRecord) -> PilotRecord:
        """Record what a pilot has shown, or return what another attempt has recorded first."""
        self._create_in_ledger(pilot_name(pilot.round, pilot.place), record)
        return self.pilot(pilot) or record

    def pilot(self, pilot: SentPilot) -> PilotRecord | None:
        """Return what a pilot has shown; None while that is not known."""
        return self._records.read(f"ledger/{pilot_name(pilot.round, pilot.place)}", PilotRecord)

    def awaited_pilot(self) -> SentPilot | None:
        """Return the pilot that the rest of the job waits for, as known now; None if it waits for none."""
        rounds = self.rounds()
        parts = self.known_shards()[: len(rounds[0].part_shards)]
        if any(state.attempts for state in parts):
            return None
        return next((pilot for pilot in sent_pilots(rounds) if self.pilot(pilot) is None), None)

    def parts(self) -> list[PartRecord]:
        """List the ledger, and return the written parts of every collection, by shard."""
        self._list_ledger()
        return self.known_parts()

    def known_parts(self) -> list[PartRecord]:
        """Return the written parts that were there when the ledger was last listed, or that were recorded since."""
        return [part for shard in sorted(self._known_index().parts) for part in self.known_parts_of(shard)]

    def known_parts_of(self, shard: int) -> list[PartRecord]:
        """Return those of one shard of the first round."""
        names = sorted(self._known_index().parts.get(shard, ()))
        found = (self._records.read(f"ledger/{name}", PartRecord) for name in names)
        return [part for part in found if part is not None]

    def record_part(self, part: PartRecord) -> PartRecord:
        """Record that a part was written, or return the record of another attempt that came first."""
        name = part_name(part.shard, part.collection, part.written_as, part.shards)
        if self._create_in_ledger(name, part):
            return part
        found = self._records.read(f"ledger/{name}", PartRecord)
        assert found is not None  # noqa: S101 - records are never removed
        return found

    def collection_count(self) -> int:
        """Return how many times all results were written, as known now."""
        index = self._known_index()
        while self._records.read(f"ledger/{collected_name(index.collections + 1)}", CollectionRecord) is not None:
            index.collections += 1
        return index.collections

    def record_collection(self, collection: CollectionRecord) -> None:
        """Record that the results were written; every collection leaves its own record."""
        number = self.collection_count() + 1
        while not self._create_in_ledger(collected_name(number), collection):
            number += 1

    def last_collection(self) -> CollectionRecord | None:
        """Return the latest collection of the job's results; None if they were never all written."""
        number = self.collection_count()
        return self._records.read(f"ledger/{collected_name(number)}", CollectionRecord) if number else None

    def is_finished(self) -> bool:
        """Return whether the results of every shard of every round were written."""
        collection = self.last_collection()
        return collection is not None and collection.shards == sum(len(seal.shards) for seal in self.rounds())

    def was_finished_by(self, tries: str) -> bool:
        """Return whether the latest collection was made by one of these tries of a task; "" names none."""
        collection = self.last_collection()
        return bool(tries) and collection is not None and collection.tries == tries

    def _list_ledger(self) -> LedgerIndex:
        self._index = LedgerIndex.of(self._records.list("ledger"))
        return self._index

    def _known_index(self) -> LedgerIndex:
        return self._index if self._index is not None else self._list_ledger()

    def _recorded_batches(self) -> list[BatchRecord]:
        """Return the batches that the outcomes name, as listed last; this needs no other record."""
        names = [outcome_name(*attempt) for attempt in sorted(self._known_index().outcomes)]
        outcomes = [self._records.read(f"ledger/{name}", OutcomeRecord) for name in names]
        return [
            record.outcome.batch for record in outcomes if record and isinstance(record.outcome, (Submitted, Adopted))
        ]

    def _listed_state(self, shard: ShardRecord, index: LedgerIndex) -> ShardState:
        number = shard.shard
        attempts = [self._attempt(number, attempt, must_be=True) for attempt in sorted(index.intents.get(number, ()))]
        end = self._records.read(f"ledger/{ended_name(number)}", EndRecord) if number in index.ends else None
        return ShardState(shard=shard, attempts=tuple(attempt for attempt in attempts if attempt is not None), end=end)

    def _note(self, state: ShardState) -> ShardState:
        if state.shard.shard in self._states:
            self._states[state.shard.shard] = state
        return state

    def _attempt(self, shard: int, number: int, *, must_be: bool) -> Attempt | None:
        name = f"ledger/{intent_name(shard, number)}"
        intent = self._records.read(name, IntentRecord)
        if intent is None and not must_be:
            return None
        if intent is None or (intent.shard, intent.attempt) != (shard, number):
            raise CorruptLedgerError(
                f"{self.uri}/{name} was listed but does not hold that intent. Check whether the job's folder was "
                "changed manually, or copied from another. Nothing was spent."
            )
        return Attempt(
            intent=intent, outcome=self._records.read(f"ledger/{outcome_name(shard, number)}", OutcomeRecord)
        )

    def _create_in_ledger(self, name: str, record: Record) -> bool:
        is_ours = self._records.create(f"ledger/{name}", record)
        if self._index is not None:
            self._index.add(name)
        return is_ours


def _once_more_if_corrupt(check: Callable[[], None]) -> None:
    """Check again before saying that something is lost: a listing may miss what was created while it was made."""
    try:
        check()
    except CorruptLedgerError:
        check()
