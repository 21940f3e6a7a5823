"""The protocol by which the tasks of a unit of work open its job, one atomic access after another.

The text follows ``submission/opening.py``, ``ledger/unit_jobs.py`` and ``ledger/replacement.py``. What a job does with
its shards is ``shard_protocol``'s subject: here a job has one shard, and its create call is made and answered in one
step.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

from tests.models.exploration import Ended, Happening, Model, Next, Operation, Phase

PAID_IN_TWO_JOBS = "the same question is paid in two jobs"
TWO_JOBS_RUN = "two jobs are paid, and none of them is canceled"
NOTHING_RUNS = "nothing runs at the end"
PAID_JOB_CANCELED = "a paid job is canceled, though nobody asked for a restart"

_BEYOND = "needs more than the model has"
_MOST_JOBS = 4
_MOST_INTENTS = 2


class Call(Enum):
    """The create call of a job's shard."""

    NONE = "none"
    INTENDED = "intended"
    REFUSED = "refused"
    PAID = "paid"
    CANCELED = "paid and canceled"
    FREE = "ended and read, without a billed row"


_COSTS_NOTHING = (Call.NONE, Call.REFUSED, Call.FREE)


class Job(NamedTuple):
    """What the folder of a job says, and what the service has of it."""

    question: str
    is_abandoned: bool = False
    is_contested: bool = False
    verdict: bool | None = None
    intents: int = 0
    call: Call = Call.NONE  # of the latest intent
    is_old: bool = False  # its POST may not start any more
    is_recorded: bool = False


class World(NamedTuple):
    jobs: tuple[Job, ...]
    deaths: int
    free_ends: int = 0


Work = Generator[Operation, Any, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is explored.

    :param questions: of each task that runs at once, a letter.
    :param restarts: the tasks ask for a restart if the question has changed; else they fail.
    :param deaths: how often a process may die.
    :param free_ends: how many batches may end without a billed row.
    :param without: safeguards that are taken out: see the ``if`` where each is named.
    """

    questions: str
    restarts: bool
    deaths: int = 0
    free_ends: int = 0
    without: frozenset[str] = frozenset()


def without(setting: Setting, safeguard: str) -> Setting:
    """Return a setting in which a safeguard is taken out."""
    return replace(setting, without=setting.without | {safeguard})


def model(setting: Setting) -> Model:
    """Return the model of a setting."""
    protocol = OpeningProtocol(setting)
    return Model(
        world=World(jobs=(), deaths=setting.deaths, free_ends=setting.free_ends),
        processes=[Next(protocol.open, (question,)) for question in setting.questions],
        surroundings=surroundings,
        violations=protocol.violations,
        die=_die,
    )


class OpeningProtocol:
    """The programs of the tasks, and what must hold."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def open(self, question: str) -> Phase:
        """Find the unit's job, or open a new one: JobOpener.open."""
        count = yield count_jobs
        if not count:
            return Next(self.create, (question, count))
        latest = count - 1
        if (yield from self._is_replaced(latest)):
            return Next(self.succeed, (question, latest, count))
        if (yield read_question(latest)) == question:
            return Next(self.use, (question, latest))
        return Next(self.replace_changed, (question, latest))

    def replace_changed(self, question: str, job: int) -> Phase:
        """Open a job in place of one of another question: JobOpener.replace_changed."""
        count = yield count_jobs
        if count - 1 != job:
            return Next(self.open, (question,))  # an error: the task runs again
        if not self._setting.restarts:
            if "contest" in self._setting.without:
                if (yield has_intent(job)):
                    return Ended("changed input")
            elif (yield from self._contest(job)):
                return Ended("changed input")
        elif "abandon always" in self._setting.without and not (yield has_intent(job)):
            return Next(self.create, (question, count))
        return Next(self.succeed, (question, job, count))

    def succeed(self, question: str, job: int, count: int) -> Phase:
        """Abandon a job, settle and cancel what it has sent, and open the next: JobOpener._successor_of."""
        yield abandon(job)
        if (yield read_verdict(job)) is not False:
            yield settled(job)
            yield cancel_if_recorded(job)
        return Next(self.create, (question, count))

    def create(self, question: str, count: int) -> Phase:
        """Create the job that the listing has numbered: create_job."""
        number = (yield count_jobs) if "one look" in self._setting.without else count
        if number >= _MOST_JOBS:
            return Ended(_BEYOND)
        if not (yield create_job(number, question)) and (yield read_question(number)) != question:
            return Next(self.open, (question,))  # an error: the task runs again
        return Next(self.use, (question, number))

    def use(self, question: str, job: int) -> Phase:
        """Send the job's shard: ShardSender.send."""
        intent = yield record_intent(job)
        if intent is None:
            return Ended("sent by another attempt")
        if intent > _MOST_INTENTS:
            return Ended(_BEYOND)
        if not (yield from self._keeps_place(job)):
            yield conclude(job, intent, Call.REFUSED)
            return Ended("replaced")
        if not (yield pay(job, intent)):
            yield conclude(job, intent, Call.REFUSED)
            return Next(self.use, (question, job))
        yield conclude(job, intent, Call.PAID)
        if (yield read_abandoned(job)):
            yield cancel_if_recorded(job)
        return Ended("sent")

    def _contest(self, job: int) -> Work:
        """Return whether the job is kept: JobOpener._contest."""
        if (yield has_sent(job)):
            return True
        yield record_contest(job)
        if "second look" in self._setting.without:
            return (yield decide(job, False))
        return (yield decide(job, (yield has_sent(job))))

    def _keeps_place(self, job: int) -> Work:
        if (yield read_abandoned(job)):
            return False
        return not (yield read_contested(job)) or (yield decide(job, True))

    def _is_replaced(self, job: int) -> Work:
        return (yield read_abandoned(job)) or (yield read_verdict(job)) is False

    def violations(self, world: World, ended: Sequence[str | None]) -> Iterator[str]:
        """Yield what is wrong: at any time, or with how everything has ended."""
        paid = [job for job in world.jobs if job.call in (Call.PAID, Call.CANCELED)]
        running = [job for job in world.jobs if job.call is Call.PAID]
        if len(set(self._setting.questions)) == 1 and len(paid) > 1:
            yield PAID_IN_TWO_JOBS
        if not self._setting.restarts and len(running) < len(paid):
            yield PAID_JOB_CANCELED
        if None in ended or _BEYOND in ended:
            return
        if len(running) > 1:
            yield TWO_JOBS_RUN
        may_be_open = any(job.call is Call.INTENDED for job in world.jobs)  # its sender died: it is settled later
        has_ended = any(job.call is Call.FREE for job in world.jobs)
        if not running and not may_be_open and not has_ended:
            yield NOTHING_RUNS


def surroundings(world: World) -> Iterator[Happening]:
    """Let time pass, and batches end without a billed row."""
    for number, job in enumerate(world.jobs):
        if job.call is Call.PAID and job.is_recorded and world.free_ends:
            after = _with_job(world, number, job._replace(call=Call.FREE))
            yield Happening(f"the batch of job {number} ends unbilled", after._replace(free_ends=world.free_ends - 1))
        if job.call is Call.INTENDED and not job.is_old:
            yield Happening(f"the intent of job {number} ages", _with_job(world, number, job._replace(is_old=True)))


# ---- operations


def count_jobs(world: World) -> Iterator[Happening]:
    """List the jobs of the unit."""
    yield Happening(f"lists {len(world.jobs)} jobs", world, len(world.jobs))


def create_job(number: int, question: str) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        if len(world.jobs) > number:
            yield Happening(f"finds that job {number} was opened by another", world, False)
        else:
            yield Happening(f"opens job {number}", world._replace(jobs=(*world.jobs, Job(question))), True)

    return operation


def _reading(label: str, job: int, read: str, final: Sequence[object]) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        found = getattr(world.jobs[job], read)
        yield Happening(f"reads {label} of job {job}: {found}", world, found, is_final=found in final)

    return operation


def read_question(job: int) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        question = world.jobs[job].question
        yield Happening(f"reads the question of job {job}: {question}", world, question, is_final=True)

    return operation


def read_abandoned(job: int) -> Operation:
    return _reading("abandoned.json", job, "is_abandoned", [True])


def read_contested(job: int) -> Operation:
    return _reading("contested.json", job, "is_contested", [True])


def read_verdict(job: int) -> Operation:
    return _reading("the verdict", job, "verdict", [True, False])


def has_intent(job: int) -> Operation:
    """Look whether anything was, or was about to be, sent."""

    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job].call is not Call.NONE
        yield Happening(f"looks for an intent of job {job}: {found}", world, found, is_final=found)

    return operation


def has_sent(job: int) -> Operation:
    """Look whether a batch exists or may exist that was not read as unbilled: unbilled_jobs.may_have_cost."""

    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job].call not in _COSTS_NOTHING
        yield Happening(f"looks whether job {job} may have cost something: {found}", world, found)

    return operation


def abandon(job: int) -> Operation:
    return _writing(f"abandons job {job}", job, is_abandoned=True)


def record_contest(job: int) -> Operation:
    return _writing(f"contests job {job}", job, is_contested=True)


def pay(job: int, intent: int) -> Operation:
    """Make the call of an intent, unless that is too late: one that was settled meanwhile is surely old."""

    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job]
        if found.is_old or found.intents != intent or found.call is not Call.INTENDED:
            yield Happening(f"may not POST job {job} any more", world, False)
        else:
            yield Happening(f"POSTs job {job}", _with_job(world, job, found._replace(call=Call.PAID)), True)

    return operation


def conclude(job: int, intent: int, call: Call) -> Operation:
    """Record the outcome of an intent, unless another has; a paid batch may have been canceled meanwhile."""

    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job]
        if found.intents != intent or found.is_recorded:
            yield Happening(f"finds that intent {intent} of job {job} has its outcome", world)
            return
        after = found._replace(is_recorded=True, call=call if found.call is Call.INTENDED else found.call)
        yield Happening(f"records that job {job} is {call.value}", _with_job(world, job, after))

    return operation


def _writing(label: str, job: int, **changes: Any) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        yield Happening(label, _with_job(world, job, world.jobs[job]._replace(**changes)))

    return operation


def decide(job: int, keep: bool) -> Operation:
    """Decide a contest, or hear how it was decided."""

    def operation(world: World) -> Iterator[Happening]:
        verdict = world.jobs[job].verdict
        decided = keep if verdict is None else verdict
        after = _with_job(world, job, world.jobs[job]._replace(verdict=decided))
        yield Happening(f"decides that job {job} is {'kept' if decided else 'replaced'}", after, decided)

    return operation


def record_intent(job: int) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job]
        if found.call not in _COSTS_NOTHING:  # a job that cost nothing may send its rows again, in a further round
            yield Happening(f"finds an intent of job {job}", world)
        elif found.intents == _MOST_INTENTS:
            yield Happening("needs another intent", world, found.intents + 1)
        else:
            intent = found.intents + 1
            after = found._replace(intents=intent, call=Call.INTENDED, is_old=False, is_recorded=False)
            yield Happening(f"records intent {intent} of job {job}", _with_job(world, job, after), intent)

    return operation


def settled(job: int) -> Operation:
    """Settle an open call, once nothing of it can appear any more; ``shard_protocol`` tells how."""

    def operation(world: World) -> Iterator[Happening]:
        found = world.jobs[job]
        if found.is_recorded or found.call is Call.NONE:
            yield Happening(f"finds no open call of job {job}", world)
        elif found.call is not Call.INTENDED:
            yield Happening(f"finds the batch of job {job}", _with_job(world, job, found._replace(is_recorded=True)))
        elif found.is_old:
            void = found._replace(is_recorded=True, call=Call.REFUSED)
            yield Happening(f"settles the call of job {job}: void", _with_job(world, job, void))

    return operation


def cancel_if_recorded(job: int) -> Operation:
    def operation(world: World) -> Iterator[Happening]:
        if world.jobs[job].call is Call.PAID:
            after = _with_job(world, job, world.jobs[job]._replace(call=Call.CANCELED))
            yield Happening(f"cancels the batch of job {job}", after)
        else:
            yield Happening(f"has nothing of job {job} to cancel", world)

    return operation


def _with_job(world: World, number: int, job: Job) -> World:
    return world._replace(jobs=(*world.jobs[:number], job, *world.jobs[number + 1 :]))


def _die(world: World) -> World | None:
    return world._replace(deaths=world.deaths - 1) if world.deaths else None
