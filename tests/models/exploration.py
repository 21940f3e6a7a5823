"""Explores every interleaving of a few small processes over a shared world: each state that can be reached, once.

A process is written as the code that it models: a generator that yields one operation on the world after another, each
of them one atomic access, and receives what it read. A generator cannot be copied, so a process is kept as what it has
heard so far, and is run again from its beginning where its next operation is not known yet. It returns the phase that
comes next, with arguments, which forgets what was heard before: or how it ended.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

World = TypeVar("World", bound=Hashable)


class Happening(NamedTuple):
    """One way in which an operation, or the surroundings of the processes, may go.

    :param label: what happens, for a trace.
    :param world: the world after it.
    :param heard: what the process reads.
    :param is_final: no later operation of anybody could change what was read, and the world is unchanged: then it may
        as well be read together with the step before.
    """

    label: str
    world: Any
    heard: Hashable = None
    is_final: bool = False


Operation = Callable[[Any], Iterable[Happening]]


class Next(NamedTuple):
    """The phase that a process goes on with."""

    phase: Callable[..., Phase]
    arguments: tuple[Hashable, ...] = ()


class Ended(NamedTuple):
    """A process that does nothing more."""

    how: str


Phase = Generator[Operation, Any, Next | Ended]


State = tuple[int, ...]  # the number of the world, then that of each process's local state


@dataclass(slots=True)
class _Local:
    """A local state of a process: the operation that it does next, or how it has ended."""

    key: tuple[Next, tuple[Hashable, ...]] | Ended
    operation: Operation | None
    after: dict[Hashable, int] = field(default_factory=dict)


class Processes:
    """The local states that processes were seen in."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._locals: list[_Local] = []

    def at(self, phase: Next | Ended) -> int:
        """Return the local state of a process that begins a phase."""
        return self._number(phase, ()) if isinstance(phase, Next) else self._ended(phase)

    def operation(self, local: int) -> Operation | None:
        """Return what a process does next; None if it has ended."""
        return self._locals[local].operation

    def ended(self, local: int) -> str | None:
        """Return how a process has ended; None if it has not."""
        key = self._locals[local].key
        return key.how if isinstance(key, Ended) else None

    def hears(self, local: int, heard: Hashable) -> int:
        """Return the local state after an operation."""
        known = self._locals[local]
        if heard not in known.after:
            assert not isinstance(known.key, Ended)
            phase, before = known.key
            known.after[heard] = self._number(phase, (*before, heard))
        return known.after[heard]

    def _number(self, phase: Next, heard: tuple[Hashable, ...]) -> int:
        key = (phase, heard)
        if key in self._numbers:
            return self._numbers[key]
        running = phase.phase(*phase.arguments)
        try:
            operation = next(running)
            for answer in heard:
                operation = running.send(answer)
        except StopIteration as stop:
            found = self.at(stop.value)
        else:
            found = len(self._locals)
            self._locals.append(_Local(key=key, operation=operation))
        self._numbers[key] = found
        return found

    def _ended(self, how: Ended) -> int:
        if how not in self._numbers:
            self._numbers[how] = len(self._locals)
            self._locals.append(_Local(key=how, operation=None))
        return self._numbers[how]


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is explored.

    :param world: the world at first.
    :param processes: what each process begins with.
    :param surroundings: what may happen between the steps of the processes.
    :param violations: what is wrong with a world, and with how the processes have ended in it: None for each that still
        runs.
    :param die: the world after a death of any process; None if none may die any more. The process begins again.
    """

    world: Any
    processes: Sequence[Next]
    surroundings: Callable[[Any], Iterable[Happening]]
    violations: Callable[[Any, Sequence[str | None]], Iterable[str]]
    die: Callable[[Any], Any | None] = lambda world: None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What an exploration found.

    :param states: how many states there are.
    :param endings: how processes have ended in some state in which all have.
    :param traces: by what is wrong, a shortest way to it.
    :param is_complete: every state that can be reached was seen.
    """

    states: int
    endings: frozenset[str]
    traces: dict[str, list[str]]
    is_complete: bool


NO_WAY_TO_AN_END = "no way to an end"


def explore(model: Model, *, most_states: int, stop_at: str | None = None) -> Findings:
    """Visit every state that can be reached, breadth first.

    :param most_states: give up after so many.
    :param stop_at: stop at the first state in which this is wrong.
    """
    search = _Search(model)
    with _no_garbage_collection():
        is_complete = search.run(most_states, stop_at)
    if is_complete and (stuck := search.stuck()) is not None:
        search.wrong.setdefault(NO_WAY_TO_AN_END, stuck)
    traces = {wrong: search.way_to(state) for wrong, state in search.wrong.items()}
    return Findings(states=search.states, endings=search.endings(), traces=traces, is_complete=is_complete)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Let nobody look for cycles among millions of states, which have none: a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Step(NamedTuple):
    """A step of a process: the numbers of the world and of the process's local state after it."""

    label: str
    world: int
    local: int
    is_final: bool


class _Search:
    """Numbers each state when it is first reached; the states from the current one on wait to be visited."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._locals = Processes()
        self._beginnings = tuple(self._locals.at(phase) for phase in model.processes)
        # Processes that run the same program may change places: of each such process, all places in a state.
        programs = list(model.processes)
        self._twins = {
            place: [other for other, phase in enumerate(programs) if phase == program]
            for place, program in enumerate(programs)
            if programs.count(program) > 1
        }
        self._worlds: list[Any] = []
        self._world_numbers: dict[Any, int] = {}
        self._around: dict[int, list[tuple[str, int]]] = {}
        self._death: dict[int, int | None] = {}
        self._steps_of_one: dict[tuple[int, int], list[_Step]] = {}
        self._steps_read_on: dict[tuple[int, int], list[_Step]] = {}
        self._numbers: dict[State, int] = {}
        self._states: list[State] = []
        self._before: list[list[int]] = []
        self._labels: list[tuple[int | None, str]] = []  # of the step from the first state in `_before`: who, and what
        self._ends: list[int] = []
        self.wrong: dict[str, int] = {}

    def run(self, most_states: int, stop_at: str | None) -> bool:
        """Visit the states; return whether these are all."""
        self._reach((self._number(self._model.world), *self._beginnings))
        for number, state in enumerate(self._states):  # it grows meanwhile
            self._judge(number, state)
            if stop_at in self.wrong:
                return False
            for place, label, after in self._steps(state):
                known = self._numbers.get(after)
                if known is None:
                    if len(self._states) >= most_states:
                        return False
                    known = self._reach(after)
                    self._labels.append((place, label))
                self._before[known].append(number)
        return True

    @property
    def states(self) -> int:
        """How many states were reached."""
        return len(self._states)

    def endings(self) -> frozenset[str]:
        """Return how processes have ended."""
        hows = (self._locals.ended(local) for number in self._ends for local in self._states[number][1:])
        return frozenset(how for how in hows if how is not None)

    def stuck(self) -> int | None:
        """Return a state from which the processes can never end."""
        is_good, waiting = bytearray(len(self._states)), list(self._ends)
        for end in waiting:
            is_good[end] = True
        while waiting:
            for before in self._before[waiting.pop()]:
                if not is_good[before]:
                    is_good[before] = True
                    waiting.append(before)
        found = is_good.find(False)
        return None if found < 0 else found

    def way_to(self, number: int) -> list[str]:
        """Return the labels of the steps to a state."""
        way: list[str] = []
        while number:
            place, label = self._labels[number - 1]
            way.append(label if place is None else f"{_NAMES[place]}{label}")
            number = self._before[number][0]
        return way[::-1]

    def _reach(self, state: State) -> int:
        number = self._numbers[state] = len(self._states)
        self._states.append(state)
        self._before.append([])
        return number

    def _judge(self, number: int, state: State) -> None:
        """Note what is wrong with a state, and whether all processes have ended in it."""
        ended = [self._locals.ended(local) for local in state[1:]]
        for wrong in self._model.violations(self._worlds[state[0]], ended):
            self.wrong.setdefault(wrong, number)
        if None not in ended:
            self._ends.append(number)

    def _number(self, world: Any) -> int:
        number = self._world_numbers.setdefault(world, len(self._worlds))
        if number == len(self._worlds):
            self._worlds.append(world)
        return number

    def _steps(self, state: State) -> Iterator[tuple[int | None, str, State]]:
        """Yield each step from a state: the place of its process, its label, and the state after it."""
        world, processes = state[0], state[1:]
        for label, after in self._surroundings(world):
            yield None, label, (after, *processes)
        after_a_death = self._after_a_death(world)
        for place, local in enumerate(processes):
            if self._locals.operation(local) is None:
                continue
            for step in self._read_on(world, local):
                yield place, f": {step.label}", self._placed(step.world, processes, place, step.local)
            beginning = self._beginnings[place]
            if local != beginning and after_a_death is not None:
                after_it = self._placed(after_a_death, processes, place, beginning)
                yield place, " dies, and is started again", after_it

    def _surroundings(self, world: int) -> list[tuple[str, int]]:
        if world not in self._around:
            happenings = self._model.surroundings(self._worlds[world])
            self._around[world] = [(happening.label, self._number(happening.world)) for happening in happenings]
        return self._around[world]

    def _after_a_death(self, world: int) -> int | None:
        if world not in self._death:
            after = self._model.die(self._worlds[world])
            self._death[world] = None if after is None else self._number(after)
        return self._death[world]

    def _read_on(self, number: int, local: int) -> list[_Step]:
        """Return what the next operation of a process may do, with the steps after it that nobody else influences."""
        found = self._steps_read_on.get((number, local))
        if found is None:
            found = self._steps_read_on[number, local] = []
            for step in self._happens(number, local):
                after = step.local
                while self._locals.operation(after) is not None:
                    further = self._happens(step.world, after)
                    if len(further) != 1 or not further[0].is_final:
                        break
                    after = further[0].local
                found.append(step if after == step.local else step._replace(local=after))
        return found

    def _happens(self, number: int, local: int) -> list[_Step]:
        """Return what the next operation of a process may do."""
        found = self._steps_of_one.get((number, local))
        if found is None:
            operation, world = self._locals.operation(local), self._worlds[number]
            assert operation is not None
            found = self._steps_of_one[number, local] = [
                _Step(
                    happening.label,
                    number if happening.world is world else self._number(happening.world),
                    self._locals.hears(local, happening.heard),
                    happening.is_final,
                )
                for happening in operation(world)
            ]
        return found

    def _placed(self, world: int, processes: State, place: int, local: int) -> State:
        after = [*processes]
        after[place] = local
        if places := self._twins.get(place):
            for at, twin in zip(places, sorted([after[at] for at in places]), strict=True):
                after[at] = twin
        return (world, *after)


_NAMES = "ABCDE"
