"""A destination belongs to one owner before money is spent, and holds exactly what its manifest lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_batches_provider.batches.collection import JobCollection
from anthropic_batches_provider.batches.output.manifest import Manifest
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.errors import DestinationOwnedError
from tests.worlds.one_task_job import Arguments, KilledError, OneTask, before_each, check_home, dies_at
from tests.worlds.simulated_world import World


def names(task: OneTask) -> set[str]:
    return {path.name for path in (task.folder / task.arguments.destination).glob("part-*")}


def listed(manifest: Manifest) -> set[str]:
    return {part.name for part in manifest.parts}


def submitted(task: OneTask, ended: int | None = None) -> None:
    """Submit the whole job, and end its first batches, or all."""
    assert isinstance(task.stint(), NextLook)
    task.world.control.end_batches([batch.batch_id for batch in task.job().batches()][:ended])
    task.world.control.advance_clock(60)


# ----------------------------------------------------------------------------------------------------------- the owner


def test_a_second_run_with_the_same_destination_is_refused_before_it_pays(
    world: World, task: OneTask, tmp_path: Path
) -> None:
    submitted(task)
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "out").symlink_to(tmp_path / "out")
    second = OneTask(world, tmp_path / "second", Arguments(unit="other", owner="another", text="bye"))
    with pytest.raises(DestinationOwnedError, match=r"_owner\.json"):
        second.stint()
    assert len(world.control.received().creates) == 3
    check_home(task, task.finish())
    assert second.finish(destination="elsewhere").counts.succeeded == 12


def test_a_killed_attempt_of_the_same_unit_finds_its_own_destination(task: OneTask) -> None:
    with pytest.raises(KilledError), before_each(task.world.client, "create", dies_at(1)):
        task.stint()
    check_home(task, task.finish())


# --------------------------------------------------------------------------------------------------- another attempt


@pytest.fixture
def stale(task: OneTask) -> JobCollection:
    """Return the collection of an attempt that stalls before it collects, and wakes up at any time."""
    submitted(task)
    (task.folder / "stale").mkdir()
    collection = task.collection(task.job(), task.folder / "stale")
    assert isinstance(collection, JobCollection)
    return collection


def test_an_attempt_that_wakes_up_after_its_successor_has_published_leaves_that_output(
    world: World, task: OneTask, stale: JobCollection
) -> None:
    manifest = task.finish()
    fetched = world.control.received().calls["results"]
    assert stale.write_next() is None
    assert stale.publish() == manifest
    assert names(task) == listed(manifest)
    assert world.control.received().calls["results"] == fetched
    check_home(task, manifest)


@pytest.mark.parametrize("call", [0, 2])
def test_nor_does_one_that_wakes_up_while_it_collects(task: OneTask, stale: JobCollection, call: int) -> None:
    manifests = []

    def succeed(number: int) -> None:
        if number == call:
            manifests.append(task.finish(include_message=True))

    with before_each(task.world.client, "results", succeed):
        assert stale.publish() == manifests[0]
    assert listed(manifests[0]) <= names(task)
    assert all("message" in row for row in task.output())


def test_an_attempt_that_wakes_up_in_another_destination_publishes_there(task: OneTask, stale: JobCollection) -> None:
    task.finish(destination="elsewhere")
    assert stale.publish().destination == f"file://{task.folder}/out"


def test_collecting_again_on_purpose_replaces_the_output(task: OneTask) -> None:
    first = task.finish()
    second = task.finish(include_message=True)
    assert listed(first).isdisjoint(listed(second))
    assert names(task) == listed(second)


# ------------------------------------------------------------------------------------------------------ replaced jobs


@pytest.mark.parametrize(
    "changes", [{"question": "another", "on_changed_input": "restart"}, {"edition": "2"}], ids=["restart", "edition"]
)
@pytest.mark.parametrize("output_format", ["jsonl", "jsonl.gz"])
def test_parts_of_a_job_that_was_replaced_before_its_first_manifest_go(
    task: OneTask, changes: dict[str, str], output_format: str
) -> None:
    submitted(task, ended=2)
    assert isinstance(task.stint(), NextLook)
    replaced = names(task)
    assert len(replaced) == 2
    (task.folder / "out" / "part-00000-ffffffff.jsonl").write_text("somebody else's")
    manifest = task.finish(text="bye", output_format=output_format, **changes)
    assert manifest.job is not None
    assert manifest.job.endswith("job-0002")
    assert names(task) == listed(manifest) | {"part-00000-ffffffff.jsonl"}
    assert replaced <= set(manifest.replaced)


def test_files_of_a_replaced_job_that_it_wrote_elsewhere_stay(task: OneTask) -> None:
    submitted(task, ended=2)
    task.stint(destination="elsewhere")
    before = names(task)
    copies = task.folder / "out"
    for path in (task.folder / "elsewhere").glob("part-*"):
        (copies / path.name).write_bytes(path.read_bytes())
    manifest = task.finish(destination="out", text="bye", edition="2")
    assert before
    assert names(task) == listed(manifest) | before


def test_a_replaced_job_whose_folder_is_broken_keeps_no_output_back(world: World, task: OneTask) -> None:
    submitted(task, ended=2)
    task.stint()
    left = names(task)
    ledger = f"{task.job().path}/ledger"
    assert isinstance(task.stint(text="bye", edition="2"), NextLook)
    for name in world.storage.list(ledger):
        if "part" in name:
            world.storage.remove(f"{ledger}/{name}")
            world.storage.create(f"{ledger}/{name}", b"{}")
    manifest = task.finish()
    assert names(task) == listed(manifest) | left
