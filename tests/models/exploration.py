"""Explores every interleaving of a few small processes over a shared world: each state that can be reached, once.

A process is written as the code that it models: a generator that yields one operation on the world after another, each
of them one atomic access, and receives what it read. A generator cannot be copied, so a process is kept as what it has
heard so far, and is run again from its beginning where its next operation is not known yet. It returns the phase that
comes next, with arguments, which forgets what was heard before: or how it ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
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
    is_complete = search.run(most_states, stop_at)
    if is_complete and (stuck := search.stuck()) is not None:
        search.wrong.setdefault(NO_WAY_TO_AN_END, stuck)
    traces = {wrong: search.way_to(state) for wrong, state in search.wrong.items()}
    return Findings(states=len(search.came_from), endings=search.endings(), traces=traces, is_complete=is_complete)


class _Search:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._locals = Processes()
        self._beginnings = tuple(self._locals.at(phase) for phase in model.processes)
        # Processes that run the same program may change places.
        self._twins = [
            [place for place, phase in enumerate(model.processes) if phase == program]
            for program in dict.fromkeys(model.processes)
            if list(model.processes).count(program) > 1
        ]
        self._worlds: list[Any] = []
        self._world_numbers: dict[Any, int] = {}
        self._around: dict[int, list[tuple[str, int]]] = {}
        self._death: dict[int, int | None] = {}
        self._happenings: dict[tuple[int, int], list[tuple[str, int, int]]] = {}
        self.came_from: dict[State, tuple[State | None, str]] = {}
        self.wrong: dict[str, State] = {}
        self._before: dict[State, list[State]] = {}
        self._ends: list[State] = []

    def run(self, most_states: int, stop_at: str | None) -> bool:
        """Visit the states; return whether these are all."""
        first = (self._number(self._model.world), *self._beginnings)
        self.came_from[first] = (None, "")
        queue = deque([first])
        while queue:
            state = queue.popleft()
            ended = tuple(self._locals.ended(local) for local in state[1:])
            for wrong in self._model.violations(self._worlds[state[0]], ended):
                self.wrong.setdefault(wrong, state)
            if stop_at in self.wrong:
                return False
            if None not in ended:
                self._ends.append(state)
            for label, after in self._steps(state):
                self._before.setdefault(after, []).append(state)
                if after not in self.came_from:
                    if len(self.came_from) >= most_states:
                        return False
                    self.came_from[after] = (state, label)
                    queue.append(after)
        return True

    def endings(self) -> frozenset[str]:
        """Return how processes have ended."""
        hows = (self._locals.ended(local) for state in self._ends for local in state[1:])
        return frozenset(how for how in hows if how is not None)

    def stuck(self) -> State | None:
        """Return a state from which the processes can never end."""
        good, waiting = set(self._ends), list(self._ends)
        while waiting:
            for before in self._before.get(waiting.pop(), ()):
                if before not in good:
                    good.add(before)
                    waiting.append(before)
        return next((state for state in self.came_from if state not in good), None)

    def way_to(self, state: State) -> list[str]:
        """Return the labels of the steps to a state."""
        way: list[str] = []
        at: State | None = state
        while at is not None:
            at, label = self.came_from[at]
            way.append(label)
        return way[-2::-1]

    def _number(self, world: Any) -> int:
        number = self._world_numbers.setdefault(world, len(self._worlds))
        if number == len(self._worlds):
            self._worlds.append(world)
        return number

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        world, processes = state[0], state[1:]
        for label, after in self._surroundings(world):
            yield label, (after, *processes)
        after_a_death = self._after_a_death(world)
        for place, local in enumerate(processes):
            if self._locals.operation(local) is None:
                continue
            for label, after, next_local in self._happens(world, local):
                yield f"{_NAMES[place]}: {label}", self._placed(after, processes, place, next_local)
            beginning = self._beginnings[place]
            if local != beginning and after_a_death is not None:
                label = f"{_NAMES[place]} dies, and is started again"
                yield label, self._placed(after_a_death, processes, place, beginning)

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

    def _happens(self, world: int, local: int) -> list[tuple[str, int, int]]:
        """Return what the next operation of a process may do: the world and the local state after it."""
        found = self._happenings.get((world, local))
        if found is None:
            operation = self._locals.operation(local)
            assert operation is not None
            found = self._happenings[world, local] = [
                self._read_on(happening, self._locals.hears(local, happening.heard))
                for happening in operation(self._worlds[world])
            ]
        return found

    def _read_on(self, happening: Happening, local: int) -> tuple[str, int, int]:
        """Add to a step those after it that nobody else can influence."""
        while (operation := self._locals.operation(local)) is not None:
            further = list(operation(happening.world))
            if len(further) != 1 or not further[0].is_final:
                break
            local = self._locals.hears(local, further[0].heard)
        return happening.label, self._number(happening.world), local

    def _placed(self, world: int, processes: State, place: int, local: int) -> State:
        after = [world, *processes[:place], local, *processes[place + 1 :]]
        for places in self._twins:
            if place in places:
                for at, twin in zip(places, sorted(after[at + 1] for at in places), strict=True):
                    after[at + 1] = twin
        return tuple(after)


_NAMES = "ABCDE"
