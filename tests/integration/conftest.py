"""A world with a simulator, and one task in it; a module that needs another world has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.one_task_job import OneTask
from tests.worlds.simulated_world import World, simulated_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with simulated_world(tmp_path) as world:
        yield world


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    return OneTask(world, tmp_path)
