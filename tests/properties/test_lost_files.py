"""A store loses any single file of a job, at any moment of its life: nothing is paid twice, and no answer is lost.

The job runs to its end all the same, or it stops with an error that says what is lost; once the file is restored, it
runs to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.errors import ChangedInputError, CorruptLedgerError
from anthropic_batches_provider.simulator.server import SimulatorServer
from tests.properties.spending_moments import DiedError, Surprise
from tests.properties.spending_world import World
from tests.worlds.direct_service import DirectService

HOUR = 3600
UNIT = "unit"
ROWS = 6  # two shards
MOST_LOOKS = 50
MOMENTS = 170  # more than a job with a further round has


def world_at(moment: int, server: SimulatorServer, spools: Path) -> World | None:
    """Return a world whose job died at a moment, counted over all its stints; None if it ends before."""
    world = World(server, DirectService(server.simulator), spools, {UNIT: ROWS})
    world.control.change_settings(batch_duration=HOUR)
    world.control.add_outcome("errored", text_matches="4$", error_type="overloaded_error", first_submissions=1)
    try:
        finish(world, dies_at=moment)
    except DiedError:
        return world
    return None


def finish(world: World, *, dies_at: int | None = None) -> Manifest:
    """Bring the unit home in as many stints as it takes; die at a moment, counted over all of them."""
    passed = 0
    for _ in range(MOST_LOOKS):
        moments = world.moments({} if dies_at is None else {dies_at - passed: Surprise("dies")})
        outcome = world.bring_home(UNIT, moments)
        passed += moments.count
        if isinstance(outcome, Manifest):
            return outcome
        seconds = (outcome.until - world.now()).total_seconds() + 1
        world.pass_time(2 * HOUR if outcome.batch_ids else max(seconds, 1))
    raise AssertionError("the job does not end")


def finish_unless_changed(world: World) -> None:
    """Bring the unit home; if it is finished and its rows have changed, the change is undone."""
    creates = world.control.received().creates
    try:
        finish(world)
    except ChangedInputError:
        assert world.control.received().creates == creates
        world.changed.clear()
        finish(world)


@dataclass
class Losses:
    """What followed from the losses, by the kind of the lost file."""

    stopped: set[str] = field(default_factory=set)
    went_on: set[str] = field(default_factory=set)

    def try_each(self, moment: int, server: SimulatorServer, spools: Path) -> bool:
        """Lose each file that is there at a moment, one in each run; return False if the job ends before."""
        world = world_at(moment, server, folder(spools / f"{moment}"))
        for number, file in enumerate(sorted(world.store.contents) if world is not None else ()):
            assert world is not None
            if file.endswith("-intent.json") and file.replace("-intent", "-outcome") not in world.store.contents:
                continue  # a known hole (docs/spending.md): nothing else tells of a call without an outcome
            for changes in (False, True):
                self._try(file, changes, moment, server, folder(spools / f"{moment}-{number}-{changes}"))
        return world is not None

    def _try(self, file: str, changes: bool, moment: int, server: SimulatorServer, spools: Path) -> None:
        world = world_at(moment, server, spools)
        assert world is not None
        names = sorted(world.store.contents)
        # Files of two worlds differ in what is random in their names: the same file is the one at the same place.
        lost = next(name for name in names if kind(name) == kind(file))
        content = world.store.contents.pop(lost)
        creates, output = world.control.received().creates, world.output(UNIT)
        if changes:
            world.changed.add(UNIT)
        try:
            finish_unless_changed(world)
            self.went_on.add(kind(lost))
        except CorruptLedgerError as error:
            check_named(lost, str(error))
            assert world.control.received().creates == creates, "nothing is sent by a job that lacks something"
            assert output.items() <= world.output(UNIT).items(), "what is published stays"
            self.stopped.add(kind(lost))
            world.store.contents[lost] = content
            finish_unless_changed(world)
        billing = world.control.billing()
        counts = (billing.max_times_billed, billing.rows_billed, billing.distinct_contents)
        assert counts == (1, ROWS, ROWS), f"{lost} was lost at moment {moment}"
        assert world.published_keys(UNIT) == list(range(ROWS))


def check_named(lost: str, told: str) -> None:
    """Check that an error names a lost file: a seal that is lost is known by the shards that it listed."""
    name = lost.rpartition("/")[2]
    if name.startswith("sealed"):
        name = "sealed*.json"
    if "-part-" in name:
        name = name.partition("-part-")[0] + "-part-*"
    assert name in told


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def kind(path: str) -> str:
    """Return the name of a file without what is random in it."""
    folder, _, name = path.rpartition("/")
    folder = folder.rpartition("/")[2]
    if folder == "claims":
        return "a claim"
    if folder in ("requests", "rows", "unusable"):
        return f"{folder}/{name.partition('-')[0]}"
    return name if "-part-" not in name else name.partition("-part-")[0] + "-part"


def test_any_file_may_be_lost_at_any_moment(server: SimulatorServer, tmp_path: Path) -> None:
    losses = Losses()
    for moment in range(0, MOMENTS, 17):
        losses.try_each(moment, server, tmp_path)
    assert losses.stopped >= {"job.json", "sealed.json", "rows/00000", "requests/00001", "00000-01-intent.json"}
    assert losses.went_on >= {"a claim", "00000-01-outcome.json"}


@pytest.mark.long
@pytest.mark.timeout(0)
def test_any_file_may_be_lost_at_every_moment(server: SimulatorServer, tmp_path: Path) -> None:
    losses = Losses()
    last = next(moment for moment in range(MOMENTS) if not losses.try_each(moment, server, tmp_path))
    assert last > 100, "the job has become so short that something is no longer seen"
