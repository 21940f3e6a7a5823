"""A job of a hundred shards resumes exactly where its process died: nothing is sent, fetched or written again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.submission import NextLook
from tests.worlds.one_task_job import Arguments, KilledError, OneTask, before_each, check_home, dies_at
from tests.worlds.simulated_world import World

SHARDS = 100
KILLED_AT = 57


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    return OneTask(world, tmp_path, Arguments(rows=2 * SHARDS, rows_per_shard=2))


def shard_files(task: OneTask) -> dict[str, tuple[int, int]]:
    """Return the inode and the time of change of each shard file on the disk."""
    folder = task.folder / "storage" / task.job().path
    paths = [path for kind in ("requests", "rows") for path in (folder / kind).iterdir()]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_process_that_died_before_it_sent_a_shard_is_followed_by_one_that_begins_there(
    world: World, task: OneTask
) -> None:
    with pytest.raises(KilledError), before_each(world.client, "create", dies_at(KILLED_AT)):
        task.stint()
    files = shard_files(task)
    assert len(world.control.received().creates) == KILLED_AT
    assert isinstance(task.stint(), NextLook)
    assert shard_files(task) == files
    check_home(task, task.finish())
    creates = world.control.received().creates
    assert [create.requests for create in creates] == [2] * SHARDS


def test_one_that_died_in_a_post_costs_one_further_attempt(
    world: World, task: OneTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying_in_its_body(world, monkeypatch)
    with pytest.raises(KilledError):
        task.stint()
    monkeypatch.undo()
    files = shard_files(task)
    outcome = task.stint()
    assert isinstance(outcome, NextLook)
    assert len(task.job().batches()) == SHARDS - 1, "an unresolved create call blocks no other shard"
    assert shard_files(task) == files
    check_home(task, task.finish())
    received = world.control.received()
    assert received.batches_created == SHARDS
    assert len(received.creates) == SHARDS + 1


def dying_in_its_body(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the process within the body of the create call of shard 57."""
    create, calls = world.client.create, iter(range(SHARDS))

    def cut(content: Iterable[bytes]) -> Iterator[bytes]:
        yield next(iter(content))[:-1]
        raise KilledError

    def dying(content: Iterable[bytes], **options: Any) -> Any:
        return create(cut(content) if next(calls) == KILLED_AT else content, **options)

    monkeypatch.setattr(world.client, "create", dying)


def test_one_that_died_in_collecting_is_followed_by_one_that_fetches_only_what_is_missing(
    world: World, task: OneTask
) -> None:
    task.stint()
    world.control.end_batches()
    with pytest.raises(KilledError), before_each(world.client, "results", dies_at(KILLED_AT)):
        task.stint()
    written = {path.name: path.stat().st_mtime_ns for path in (task.folder / "out").glob("part-*")}
    assert len(written) == KILLED_AT
    assert world.control.received().calls["results"] == KILLED_AT
    check_home(task, task.finish())
    assert world.control.received().calls["results"] == SHARDS
    for name, time in written.items():
        assert (task.folder / "out" / name).stat().st_mtime_ns == time
