"""The protocol by which shards get their batches, one atomic access after another.

The text follows ``submission/shard_sender.py``, ``lost_answers.py``, ``settler.py``, ``outcomes.py``, ``opening.py``,
``ledger/replacement.py`` and ``further_rounds.py``. What is left out: keys, refusals that ask for a pause, settling by
hand, batches that cannot be proven, and the limit of five voids.

Time is an age of each intent: ``YOUNG``, its POST may start; ``AGING``, its POST may be under way or its batch may
still appear; ``OLD``, nothing can appear any more. It becomes ``OLD`` only when no call is under way and no batch is
invisible: that is what ``docs/spending.md`` assumes. A process may stand still anywhere, and time may pass anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import Any, Literal, NamedTuple

from tests.models.exploration import Ended, Happening, Model, Next, Operation, Phase

STRANGER = -1

PAID_TWICE = "paid twice"
ONLY_BATCH_CANCELED = "the only batch of a shard is canceled"
BILLED_UNREAD = "a batch is billed unread"
RUNS_ON = "after a restart an old batch runs on"
REPLACED_JOB_WAS_SENT = "a job was sent although another had replaced it"
WINDOW_EXCEEDED = "more in flight than the window"
DONE_WITHOUT_A_BATCH = "done without a batch"

BEYOND = "needs more intents than the model has"


class Age(IntEnum):
    """How long ago an intent was recorded."""

    YOUNG = 0
    AGING = 1
    OLD = 2


class Call(Enum):
    """How far the create call of an intent is, seen from the service and from its answer."""

    NOT_MADE = "not made"
    UNDER_WAY = "under way"
    COMMITTED = "committed"
    REFUSED = "refused"
    NEVER_ARRIVED = "never arrived"


class Outcome(NamedTuple):
    """The recorded outcome of an intent; without a batch, it was refused or is void."""

    batch: int | None = None
    duplicates: tuple[int, ...] = ()


class Intent(NamedTuple):
    age: Age = Age.YOUNG
    outcome: Outcome | None = None
    call: Call = Call.NOT_MADE


class Brought(Enum):
    """What a batch brought for its rows."""

    ANSWERS = "answers"
    UNFIT = "answers that do not fit"
    NOTHING = "no answers, and no bill"


class Batch(NamedTuple):
    """A batch at the service; its number is its place, in order of creation."""

    shard: int
    intent: int
    is_listed: bool
    brought: Brought | None = None
    claim: int | None = None
    is_canceled: bool = False

    @property
    def has_ended(self) -> bool:
        return self.brought is not None


class Misfortunes(NamedTuple):
    """How much of each kind may still happen."""

    deaths: int = 0
    refusals: int = 0
    strangers: int = 0
    doubles: int = 0
    failing_lists: int = 0
    failing_writes: int = 0
    failing_cancels: int = 0
    fast_clocks: int = 0


NOTHING_MORE = Misfortunes()


class Collection(NamedTuple):
    """A recorded collection: the shards whose results it holds, and whether the row may be sent again."""

    shards: int
    goes_again: bool


class World(NamedTuple):
    """The ledger, the service, and what went wrong."""

    intents: tuple[tuple[Intent, ...], ...]
    batches: tuple[Batch, ...]
    left: Misfortunes
    sealed: int
    is_abandoned: bool = False
    is_contested: bool = False
    verdict: bool | None = None  # whether the contested job is kept
    collection: Collection | None = None  # the last one
    wrong: frozenset[str] = frozenset()


class Listed(NamedTuple):
    """A shard as an attempt knows it: the outcome of each intent, None for an open one."""

    shard: int
    outcomes: tuple[Outcome | None, ...]

    @property
    def batch(self) -> int | None:
        return next((outcome.batch for outcome in self.outcomes if outcome and outcome.batch is not None), None)

    @property
    def open_intent(self) -> int | None:
        return self.outcomes.index(None) if None in self.outcomes else None


class StoreFailedError(Exception):
    """A write failed; the record may be there or not."""


class _Failed(Enum):
    FAILED = "failed"


FAILED = _Failed.FAILED
Work = Generator[Operation, Any, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is explored.

    :param attempts: how many processes run the task at once.
    :param replacing: a further process whose question has changed: it asks for a ``"restart"``, or to ``"fail"``.
    :param shards: all of equal size.
    :param most_intents: of a shard; an attempt that needs more ends there.
    :param window: how many shards may be in flight.
    :param rounds: how often the rows of shard 0 may be sent: in further rounds, they are the shards after all others.
    :param repair: answers to them may not fit, and a repair of these is asked for, or not; None if all fit.
    :param answers_get_lost: any answer may be lost.
    :param left: what else may happen.
    :param without: safeguards that are taken out: see the ``if`` where each is named.
    :param holes: assumptions that are given up: ``"frozen"`` between the last look at the clock and the write of a
        POST, ``"late"`` batches that appear after their intent is old.
    """

    attempts: int = 2
    replacing: str | None = None
    shards: int = 1
    most_intents: int = 3
    window: int | None = None
    rounds: int = 1
    repair: Literal["asked", "not asked"] | None = None
    answers_get_lost: bool = True
    left: Misfortunes = NOTHING_MORE
    without: frozenset[str] = frozenset()
    holes: frozenset[str] = frozenset()


def without(setting: Setting, safeguard: str) -> Setting:
    """Return a setting in which a safeguard is taken out."""
    return replace(setting, without=setting.without | {safeguard})


def model(setting: Setting) -> Model:
    """Return the model of a setting."""
    protocol = ShardProtocol(setting)
    processes = [Next(protocol.submit)] * setting.attempts
    if setting.replacing is not None:
        processes.append(Next(protocol.restart if setting.replacing == "restart" else protocol.contest))
    shards = setting.shards + setting.rounds - 1
    world = World(intents=((),) * shards, batches=(), left=setting.left, sealed=setting.shards)
    return Model(
        world=world,
        processes=processes,
        surroundings=protocol.surroundings,
        violations=protocol.violations,
        die=_die,
    )


class ShardProtocol:
    """The programs of the processes, the operations that they are made of, and what surrounds them."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    # ---- a task that submits: Submission.advance

    def submit(self) -> Phase:
        """Begin, or begin again after a wait."""
        if (yield from self._is_replaced()):
            return Ended("replaced")
        listed = yield list_ledger
        in_flight = tuple(state for state in listed if state.batch is not None or state.open_intent is not None)
        return Next(self.advance, (listed, False, in_flight if self._setting.window else ()))

    def advance(self, todo: tuple[Listed, ...], waits: bool, in_flight: tuple[Listed, ...]) -> Phase:
        """Handle the next shard that has no batch."""
        while todo and todo[0].batch is not None:
            todo = todo[1:]
        if not todo:
            return Next(self.submit) if waits else Next(self.collect)
        state, rest = todo[0], todo[1:]
        if state.open_intent is not None:
            try:
                state = yield from self._look(state.shard, state.outcomes)
                if state.open_intent is not None:
                    is_settled = yield from self._settle(state.shard, state.open_intent)
                    if not is_settled:
                        return Next(self.advance, (rest, True, in_flight))
                    state = yield from self._look(state.shard, state.outcomes)
            except StoreFailedError:
                return Next(self.submit)
            if state.batch is not None:
                return Next(self.advance, (rest, waits, in_flight))
            in_flight = tuple(other for other in in_flight if other.shard != state.shard)
        if self._setting.window is not None:
            in_flight = yield from self._still_in_flight(in_flight)
            if len(in_flight) >= self._setting.window:  # it still settles what is open
                return Next(self.advance, (rest, True, in_flight))
        return Next(self.send, (state, rest, waits, in_flight))

    def send(self, state: Listed, rest: tuple[Listed, ...], waits: bool, in_flight: tuple[Listed, ...]) -> Phase:
        """Record an intent and make its one create call: ShardSender.send."""
        shard, intent = state.shard, len(state.outcomes)
        if "one look" in self._setting.without:
            intent = yield count_intents(shard)
        elif state.batch is not None or state.open_intent is not None:
            return Next(self.advance, (rest, True, in_flight))
        if intent >= self._setting.most_intents:
            return Ended(BEYOND)
        try:
            if not (yield from written(record_intent(shard, intent))):
                return Next(self.advance, (rest, True, in_flight))
            if not (yield from self._keep_place()):
                yield from written(conclude(shard, intent, Outcome()))
                return Ended("replaced")
            if "frozen" in self._setting.holes and not (yield may_start(shard, intent)):
                return Next(self.submit)
            if not (yield self._post(shard, intent)):
                yield from written(conclude(shard, intent, Outcome()))
                return Next(self.advance, (rest, True, in_flight))
            answer = yield self._hear(shard, intent)
            if answer == "refused":
                yield from written(conclude(shard, intent, Outcome()))
                return Next(self.submit)
        except StoreFailedError:
            return Next(self.submit)
        in_flight = (*in_flight, Listed(shard, (None,))) if self._setting.window else ()
        if answer == "lost":
            return Next(self.settle_own, (shard, intent, rest, waits, in_flight))
        return Next(self.accept, (shard, intent, answer, rest, waits, in_flight))

    def accept(
        self, shard: int, intent: int, batch: int, rest: tuple[Listed, ...], waits: bool, in_flight: tuple[Listed, ...]
    ) -> Phase:
        """Record the batch of an answer."""
        if (yield claim(batch, shard)) is not True:  # another's, or the store failed: the answer counts as lost
            return Next(self.settle_own, (shard, intent, rest, waits, in_flight))
        try:
            yield from self._record_batch(shard, intent, Outcome(batch))
        except StoreFailedError:
            return Next(self.submit)
        return Next(self.advance, (rest, waits, in_flight))

    def settle_own(
        self, shard: int, intent: int, rest: tuple[Listed, ...], waits: bool, in_flight: tuple[Listed, ...]
    ) -> Phase:
        """Look for the batch of a call of this very process, whose answer was lost."""
        try:
            yield from self._settle(shard, intent, is_own=True)
        except StoreFailedError:
            return Next(self.submit)
        return Next(self.advance, (rest, True, in_flight))

    def collect(self) -> Phase:
        """Read the results of all rounds of the rows of shard 0, and record that: JobResults."""
        if self._setting.rounds == 1:
            return Ended("done")
        listed = yield list_ledger
        batches = [state.batch for state in listed if self._is_of_the_rows(state.shard)]
        for batch in batches:
            if batch is None or not (yield retrieve(batch)):
                return Next(self.submit)
        found: tuple[Brought, ...] = ()
        for batch in batches:
            found = (*found, (yield read_results(batch)))
        try:
            yield from written(record_collection(Collection(len(listed), self._goes_again(found))))
        except StoreFailedError:
            return Next(self.submit)
        return Next(self.next_round)

    def next_round(self) -> Phase:
        """Seal a further round if the last collection says so, and holds the results of all rounds: further_rounds."""
        sealed = yield count_sealed
        collection = yield read_collection
        if collection.shards != sealed and "whole collection" not in self._setting.without:
            return Next(self.submit)
        if not collection.goes_again or sealed >= self._setting.shards + self._setting.rounds - 1:
            return Ended("done")
        with suppress(StoreFailedError):
            yield from written(seal_round(sealed))
        return Next(self.submit)

    def _is_of_the_rows(self, shard: int) -> bool:
        return shard == 0 or shard >= self._setting.shards

    def _goes_again(self, brought: Sequence[Brought]) -> bool:
        if Brought.ANSWERS in brought:
            return False
        return self._setting.repair == "asked" or Brought.UNFIT not in brought

    # ---- a task whose question has changed: JobOpener.replace_changed

    def restart(self) -> Phase:
        """Abandon the job, settle what is open, cancel what runs; only then a new job is opened."""
        try:
            if not (yield read_abandoned):
                if "abandon always" in self._setting.without:
                    listed = yield list_ledger
                    if not any(state.outcomes for state in listed):
                        return Ended("opened, and the old one not abandoned")
                yield from written(abandon)
            listed = yield list_ledger
            is_settled = True
            for state in listed if "settle" not in self._setting.without else ():
                if state.open_intent is not None:
                    is_settled = (yield from self._settle(state.shard, state.open_intent)) and is_settled
        except StoreFailedError:
            return Next(self.restart)
        return Next(self.cancel_running, (is_settled,))

    def cancel_running(self, is_settled: bool) -> Phase:
        for state in (yield list_ledger):
            if state.batch is not None and not (yield retrieve(state.batch)) and (yield cancel(state.batch)) is FAILED:
                return Next(self.restart)
        return Ended("opened") if is_settled else Next(self.restart)

    def contest(self) -> Phase:
        """Replace the job only if it has sent nothing, and never will."""
        try:
            if (yield from self._is_replaced()):
                yield from written(abandon)
                return Ended("opened")
            if "contest first" not in self._setting.without:
                if _has_sent((yield list_ledger)):
                    return Ended("kept")
                yield from written(record_contest)
            has_sent = _has_sent((yield list_ledger))
            yield from written(decide(keep=has_sent))
            if (yield read_verdict):
                return Ended("kept")
            yield from written(abandon)
        except StoreFailedError:
            return Next(self.contest)
        return Ended("opened")

    # ---- parts of the programs

    def _still_in_flight(self, in_flight: tuple[Listed, ...]) -> Work:
        """Ask which shards are in flight: a batch has not ended, or a call may still make one."""
        still = in_flight
        for state in in_flight:
            if state.batch is not None and (yield retrieve(state.batch)):
                still = tuple(other for other in still if other != state)
        return still

    def _is_replaced(self) -> Work:
        return (yield read_abandoned) or (yield read_verdict) is False

    def _keep_place(self) -> Work:
        if (yield read_abandoned):
            return False
        if not (yield read_contested):
            return True
        yield from written(decide(keep=True))
        return (yield read_verdict)

    def _look(self, shard: int, known: tuple[Outcome | None, ...] = ()) -> Work:
        """Read the records of a shard by their names: JobFolder.shard_state."""
        outcomes: list[Outcome | None] = []
        while len(outcomes) < len(known) or (yield has_intent(shard, len(outcomes))):
            at = len(outcomes)
            outcome = known[at] if at < len(known) else None
            outcomes.append(outcome if outcome is not None else (yield read_outcome(shard, at)))
        return Listed(shard, tuple(outcomes))

    def _settle(self, shard: int, intent: int, *, is_own: bool = False) -> Work:
        """Search for the batch of an open intent; return whether it has its outcome: LostAnswers.settle."""
        is_old = yield _take_time(shard, intent, is_own=is_own)
        if is_own and "own clock" not in self._setting.without:
            is_old = is_old and (yield is_really_old(shard, intent))
        found = yield list_batches(shard, intent)
        if found is FAILED:
            return False
        ours, untried = [], []
        for batch, has_ended in found:
            claimed_by = yield read_claim(batch)
            if claimed_by is None:
                untried.append((batch, has_ended))
            elif claimed_by == shard:
                ours.append(batch)
        unproven = untried
        if not ours:
            unproven = [batch for batch, has_ended in untried if not has_ended]
            for batch, has_ended in untried:
                if has_ended and (yield prove(batch, shard)):
                    ours.append(batch)
        if "second look" not in self._setting.without and (yield read_outcome(shard, intent)) is not None:
            return True
        if ours:
            return (yield from self._adopt(shard, intent, ours, is_own=is_own))
        if unproven or not is_old:
            return False
        yield from written(conclude(shard, intent, Outcome()))
        return True

    def _adopt(self, shard: int, intent: int, ours: Sequence[int], *, is_own: bool) -> Work:
        first, *duplicates = sorted(ours)
        if not (yield from written(claim(first, shard))):
            return (yield from self._settle(shard, intent, is_own=is_own))
        yield from self._record_batch(shard, intent, Outcome(first, tuple(duplicates)))
        known = (yield from self._look(shard)).batch if duplicates else None
        for duplicate in duplicates:
            if duplicate != known:
                yield from written(claim(duplicate, shard))
                yield from self._cancel_surplus(duplicate)
        return True

    def _record_batch(self, shard: int, intent: int, outcome: Outcome) -> Work:
        is_recorded = yield from written(conclude(shard, intent, outcome))
        if is_recorded and not (yield read_abandoned):
            return
        known = (yield from self._look(shard)).batch
        if is_recorded or known != outcome.batch:
            assert outcome.batch is not None
            yield from self._cancel_surplus(outcome.batch)

    def _cancel_surplus(self, batch: int) -> Work:
        if not (yield retrieve(batch)):
            yield cancel(batch)  # a failure is logged

    # ---- operations that depend on the setting

    def _post(self, shard: int, intent: int) -> Operation:
        def operation(world: World) -> Iterator[Happening]:
            record = world.intents[shard][intent]
            if record.age is not Age.YOUNG and "frozen" not in self._setting.holes:
                yield Happening("may not start its POST any more", world, False, is_final=True)
            else:
                after = _with_intent(world, shard, intent, record._replace(call=Call.UNDER_WAY))
                yield Happening(f"POSTs shard {shard} under intent {intent}", after, True)

        return operation

    def _hear(self, shard: int, intent: int) -> Operation:
        def operation(world: World) -> Iterator[Happening]:
            call = world.intents[shard][intent].call
            if call is Call.COMMITTED:
                made = next(
                    n for n, batch in enumerate(world.batches) if (batch.shard, batch.intent) == (shard, intent)
                )
                yield Happening(f"hears that it made batch {made}", world, made)
            if call is Call.REFUSED:
                yield Happening("hears a refusal", world, "refused")
            if call is Call.NEVER_ARRIVED or (self._setting.answers_get_lost and call is not Call.REFUSED):
                yield Happening("loses the answer", world, "lost")

        return operation

    # ---- what surrounds the processes

    def surroundings(self, world: World) -> Iterator[Happening]:
        """Yield what the service and the time may do now."""
        for shard, intents in enumerate(world.intents):
            for number, intent in enumerate(intents):
                yield from self._time_of(world, shard, number, intent)
                yield from self._service_for(world, shard, number, intent)
        for number, batch in enumerate(world.batches):
            if not batch.is_listed:
                yield Happening(f"batch {number} appears", _with_batch(world, number, batch._replace(is_listed=True)))
            if not batch.has_ended:
                for brought in self._may_bring(batch):
                    ended = batch._replace(brought=brought)
                    yield Happening(f"batch {number} ends with {brought.value}", _with_batch(world, number, ended))
        if world.left.strangers and any(world.intents):
            stranger = Batch(STRANGER, STRANGER, is_listed=True)
            after = _spent(world, "strangers")._replace(batches=(*world.batches, stranger))
            yield Happening("somebody else makes a batch of the same size", after)

    def _may_bring(self, batch: Batch) -> Iterator[Brought]:
        yield Brought.ANSWERS
        if self._setting.rounds > 1 and self._is_of_the_rows(batch.shard):
            yield Brought.NOTHING
            if self._setting.repair is not None:
                yield Brought.UNFIT

    def _time_of(self, world: World, shard: int, number: int, intent: Intent) -> Iterator[Happening]:
        is_of_no_interest = intent.outcome is not None and intent.call is not Call.UNDER_WAY
        if intent.age is Age.OLD or is_of_no_interest:
            return
        may_appear = intent.call is Call.UNDER_WAY or any(
            (batch.shard, batch.intent) == (shard, number) and not batch.is_listed for batch in world.batches
        )
        if intent.age is Age.YOUNG or not may_appear or "late" in self._setting.holes:
            older = intent._replace(age=Age(intent.age + 1))
            yield Happening(f"intent {number} of shard {shard} ages", _with_intent(world, shard, number, older))

    def _service_for(self, world: World, shard: int, number: int, intent: Intent) -> Iterator[Happening]:
        if intent.call is Call.UNDER_WAY:
            for is_listed in (True, False):
                after = _with_intent(world, shard, number, intent._replace(call=Call.COMMITTED))
                yield Happening(
                    f"the service makes batch {len(world.batches)} of intent {number} of shard {shard}"
                    f"{'' if is_listed else ', not listed yet'}",
                    self._committed(after, shard, number, is_listed=is_listed),
                )
            lost = _with_intent(world, shard, number, intent._replace(call=Call.NEVER_ARRIVED))
            yield Happening(f"the POST of intent {number} never arrives", lost)
            if world.left.refusals:
                refused = _with_intent(world, shard, number, intent._replace(call=Call.REFUSED))
                yield Happening(f"the POST of intent {number} is refused", _spent(refused, "refusals"))
        if intent.call is Call.COMMITTED and world.left.doubles and intent.age is not Age.OLD:
            after = self._committed(_spent(world, "doubles"), shard, number, is_listed=True)
            yield Happening(f"the POST of intent {number} is delivered again", after)

    def _committed(self, world: World, shard: int, intent: int, *, is_listed: bool) -> World:
        before = [batch for batch in world.batches if batch.shard == shard and batch.intent != intent]
        if self._is_of_the_rows(shard):
            may_go_again = {Brought.NOTHING, Brought.UNFIT if self._setting.repair == "asked" else Brought.NOTHING}
            others = (batch for batch in world.batches if batch.shard not in (shard, STRANGER))
            before += [
                batch for batch in others if self._is_of_the_rows(batch.shard) and batch.brought not in may_go_again
            ]
        wrong = world.wrong
        if before:
            wrong |= {PAID_TWICE}
        if world.verdict is False:
            wrong |= {REPLACED_JOB_WAS_SENT}
        batches = (*world.batches, Batch(shard, intent, is_listed=is_listed))
        if self._setting.window and sum(not batch.has_ended for batch in batches) > self._setting.window:
            wrong |= {WINDOW_EXCEEDED}
        return world._replace(batches=batches, wrong=wrong)

    # ---- what must hold

    def violations(self, world: World, ended: Sequence[str | None]) -> Iterator[str]:
        """Yield what is wrong: at any time, or with how everything has ended."""
        yield from world.wrong
        if None in ended or BEYOND in ended:
            return
        if any(intent.call is Call.UNDER_WAY for intents in world.intents for intent in intents):
            return
        recorded = {intent.outcome.batch for intents in world.intents for intent in intents if intent.outcome}
        ours = [
            (number, batch) for number, batch in enumerate(world.batches) if batch.shard != STRANGER and batch.is_listed
        ]
        if "opened, and the old one not abandoned" in ended and any(not batch.is_canceled for _, batch in ours):
            yield REPLACED_JOB_WAS_SENT
        elif world.is_abandoned:
            if any(not batch.has_ended and not batch.is_canceled for _, batch in ours):
                yield RUNS_ON
        elif any(number not in recorded and not batch.is_canceled for number, batch in ours):
            yield BILLED_UNREAD
        if "done" in ended and not world.is_abandoned:
            for intents in world.intents[: world.sealed]:
                if not any(intent.outcome and intent.outcome.batch is not None for intent in intents):
                    yield DONE_WITHOUT_A_BATCH


# ---- operations


def written(operation: Operation) -> Work:
    """Write; return what the store says.

    :raises StoreFailedError: it failed.
    """
    answer = yield operation
    if answer is FAILED:
        raise StoreFailedError
    return answer


def _writing(label: str, change: Callable[[World], tuple[World, bool]]) -> Operation:
    """Return an exclusive creation of a record, which may fail before it is written, or after."""

    def operation(world: World) -> Iterator[Happening]:
        after, is_ours = change(world)
        yield Happening(label if is_ours else f"{label}: another came first", after, is_ours)
        if world.left.failing_writes:
            for failed, when in ((world, "before"), (after, "after")):
                yield Happening(f"{label}: the store fails {when} it", _spent(failed, "failing_writes"), FAILED)

    return operation


def _reading(label: str, read: Callable[[World], tuple[Any, bool]]) -> Operation:
    """Return a read, which says too whether what it reads is final."""

    def operation(world: World) -> Iterator[Happening]:
        heard, is_final = read(world)
        yield Happening(f"{label}: {heard}", world, heard, is_final=is_final)

    return operation


def list_ledger(world: World) -> Iterator[Happening]:
    """List the ledger, and read the outcomes that are there."""
    listed = tuple(
        Listed(shard, tuple(intent.outcome for intent in intents))
        for shard, intents in enumerate(world.intents[: world.sealed])
    )
    yield Happening(f"lists the ledger: {[len(state.outcomes) for state in listed]} intents", world, listed)


def count_intents(shard: int) -> Operation:
    return _reading(f"lists shard {shard} again", lambda world: (len(world.intents[shard]), False))


def has_intent(shard: int, intent: int) -> Operation:
    def read(world: World) -> tuple[bool, bool]:
        is_there = intent < len(world.intents[shard])
        return is_there, is_there

    return _reading(f"looks for intent {intent} of shard {shard}", read)


def read_outcome(shard: int, intent: int) -> Operation:
    def read(world: World) -> tuple[Outcome | None, bool]:
        outcome = world.intents[shard][intent].outcome
        return outcome, outcome is not None

    return _reading(f"reads the outcome of intent {intent} of shard {shard}", read)


read_abandoned = _reading("looks for abandoned.json", lambda world: (world.is_abandoned, world.is_abandoned))
read_contested = _reading("looks for contested.json", lambda world: (world.is_contested, world.is_contested))
read_verdict = _reading("reads the verdict", lambda world: (world.verdict, world.verdict is not None))
abandon = _writing("abandons the job", lambda world: (world._replace(is_abandoned=True), True))
record_contest = _writing("contests the job", lambda world: (world._replace(is_contested=True), True))


def decide(*, keep: bool) -> Operation:
    def change(world: World) -> tuple[World, bool]:
        return (world._replace(verdict=keep), True) if world.verdict is None else (world, False)

    return _writing(f"decides that the job is {'kept' if keep else 'replaced'}", change)


def record_intent(shard: int, intent: int) -> Operation:
    def change(world: World) -> tuple[World, bool]:
        if len(world.intents[shard]) > intent:
            return world, False
        return world._replace(intents=_at(world.intents, shard, (*world.intents[shard], Intent()))), True

    return _writing(f"records intent {intent} of shard {shard}", change)


def conclude(shard: int, intent: int, outcome: Outcome) -> Operation:
    def change(world: World) -> tuple[World, bool]:
        record = world.intents[shard][intent]
        if record.outcome is not None:
            return world, record.outcome == outcome
        return _with_intent(world, shard, intent, record._replace(outcome=outcome)), True

    told = "no batch" if outcome.batch is None else f"batch {outcome.batch}"
    return _writing(f"records {told} for intent {intent} of shard {shard}", change)


def claim(batch: int, shard: int) -> Operation:
    def change(world: World) -> tuple[World, bool]:
        found = world.batches[batch]
        if found.claim is not None:
            return world, found.claim == shard
        return _with_batch(world, batch, found._replace(claim=shard)), True

    return _writing(f"claims batch {batch} for shard {shard}", change)


def record_collection(collection: Collection) -> Operation:
    told = "may be sent again" if collection.goes_again else "is done"
    return _writing(
        f"records a collection of {collection.shards} shards: the row {told}",
        lambda world: (world._replace(collection=collection), True),
    )


read_collection = _reading("reads the last collection", lambda world: (world.collection, False))
count_sealed = _reading("counts the sealed shards", lambda world: (world.sealed, False))


def seal_round(shards: int) -> Operation:
    """Seal a further round, with one shard, of a job that had so many."""

    def change(world: World) -> tuple[World, bool]:
        return (world._replace(sealed=shards + 1), True) if world.sealed == shards else (world, False)

    return _writing(f"seals a further round after {shards} shards", change)


def read_claim(batch: int) -> Operation:
    def read(world: World) -> tuple[int | None, bool]:
        found = world.batches[batch].claim
        return found, found is not None

    return _reading(f"reads the claim of batch {batch}", read)


def list_batches(shard: int, intent: int) -> Operation:
    """List the batches that may be an intent's, and which of them have ended."""

    def operation(world: World) -> Iterator[Happening]:
        found = tuple(
            (number, batch.has_ended)
            for number, batch in enumerate(world.batches)
            if batch.is_listed and (batch.shard != shard or batch.intent >= intent)
        )
        yield Happening(f"lists the batches: {[number for number, _ in found]}", world, found)
        if world.left.failing_lists:
            yield Happening("its list call fails", _spent(world, "failing_lists"), FAILED)

    return operation


def prove(batch: int, shard: int) -> Operation:
    return _reading(
        f"reads the first result of batch {batch}", lambda world: (world.batches[batch].shard == shard, True)
    )


def read_results(batch: int) -> Operation:
    return _reading(f"reads the results of batch {batch}", lambda world: (world.batches[batch].brought, True))


def retrieve(batch: int) -> Operation:
    def read(world: World) -> tuple[bool, bool]:
        has_ended = world.batches[batch].has_ended
        return has_ended, has_ended

    return _reading(f"retrieves batch {batch}, ended", read)


def cancel(batch: int) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        found = world.batches[batch]
        others = [
            other
            for number, other in enumerate(world.batches)
            if number != batch and other.shard == found.shard and other.is_listed and not other.is_canceled
        ]
        after = _with_batch(world, batch, found._replace(is_canceled=True))
        if not (found.has_ended or world.is_abandoned or others):
            after = after._replace(wrong=after.wrong | {ONLY_BATCH_CANCELED})
        yield Happening(f"cancels batch {batch}", after)
        if world.left.failing_cancels:
            yield Happening(f"its call to cancel batch {batch} fails", _spent(world, "failing_cancels"), FAILED)

    return operation


def _take_time(shard: int, intent: int, *, is_own: bool) -> Operation:
    """Ask the service's time; a clock may run ahead while the process that made the call looks for its batch."""

    def operation(world: World) -> Iterator[Happening]:
        is_old = world.intents[shard][intent].age is Age.OLD
        told = f"asks the time: intent {intent} is {'old' if is_old else 'not old'}"
        yield Happening(told, world, is_old, is_final=is_old)
        if is_own and world.left.fast_clocks and not is_old:
            yield Happening("asks the time: the clock has run ahead", _spent(world, "fast_clocks"), True)

    return operation


def may_start(shard: int, intent: int) -> Operation:
    return _reading(
        "looks at its clock, may start the POST", lambda world: (world.intents[shard][intent].age is Age.YOUNG, False)
    )


def is_really_old(shard: int, intent: int) -> Operation:
    """Ask the clocks of the process that sent the call itself, which nobody can set."""

    def read(world: World) -> tuple[bool, bool]:
        is_old = world.intents[shard][intent].age is Age.OLD
        return is_old, is_old

    return _reading(f"by its own clocks intent {intent} is old", read)


# ---- helpers


def _has_sent(listed: Sequence[Listed]) -> bool:
    return any(state.batch is not None or state.open_intent is not None for state in listed)


def _die(world: World) -> World | None:
    return _spent(world, "deaths") if world.left.deaths else None


def _spent(world: World, kind: str) -> World:
    return world._replace(left=world.left._replace(**{kind: getattr(world.left, kind) - 1}))


def _at(items: tuple[Any, ...], place: int, item: Any) -> tuple[Any, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _with_intent(world: World, shard: int, number: int, intent: Intent) -> World:
    return world._replace(intents=_at(world.intents, shard, _at(world.intents[shard], number, intent)))


def _with_batch(world: World, number: int, batch: Batch) -> World:
    return world._replace(batches=_at(world.batches, number, batch))
