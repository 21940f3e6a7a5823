"""A process that loads a table is killed (SIGKILL) at random moments: the table is as before, or as it should be.

After each kill the rows of the owner are all old or all new, and those of another one untouched. Then a further attempt
completes the load, from what the dead one left.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worlds.killed_loads import PROCESSES, Order, load
from tests.worlds.loaded_tables import (
    OTHER,
    SQLITE,
    LoadedTable,
    databases_here,
    expected_rows,
    loaded_table,
    parts_of,
)
from tests.worlds.warehouse import Warehouse

log = logging.getLogger(__name__)

PATIENCE = 120.0

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return Warehouse.on(request.getfixturevalue("databases"), "killed_loads")


@pytest.fixture(params=databases_here())
def table(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadedTable]:
    server = None if request.param == SQLITE else request.getfixturevalue("warehouse")
    with loaded_table(request.param, tmp_path, server) as table:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", table.connection)
        table.load(parts_of("other"), owner=OTHER)
        yield table


def strike(table: LoadedTable, *, kills: int, rows: int, parts: int, seed: int) -> Counter[str]:
    """Kill loads at random moments, and complete each; count what the dead ones left."""
    chance, found, before = random.Random(seed), Counter[str](), "old"
    table.load(parts_of(before, rows=rows, parts=parts))
    seconds = _killed_after(table, "first", rows, parts, PATIENCE) or PATIENCE
    before = "first"
    assert table.versions() == [(before, rows, rows)]
    number = 0
    while found["kills"] < kills:
        number += 1
        version = f"version {number}"
        lived = _killed_after(table, version, rows, parts, chance.uniform(0, seconds * 1.05))
        found["ended before the kill" if lived is not None else "kills"] += 1
        ((label, count, different),) = table.versions()
        assert label in (before, version), seed
        assert (count, different) == (rows, rows), seed
        assert table.rows(OTHER) == expected_rows("other")
        if lived is None:
            left = "staging left" if table.tables() != {"labels"} else "no staging left"
            found[f"{'new' if label == version else 'old'} rows, {left}"] += 1
        table.load(parts_of(version, rows=rows, parts=parts))
        assert table.versions() == [(version, rows, rows)], seed
        assert table.rows(OTHER) == expected_rows("other")
        assert table.tables() == {"labels"}, seed
        before = version
    log.info("%s, %d rows, a load takes %.2f s: %s", table.driver, rows, seconds, dict(found))
    return found


def _killed_after(table: LoadedTable, version: str, rows: int, parts: int, seconds: float) -> float | None:
    """Let a process load, and kill it so long after it began; return how long it took, or None if it was killed."""
    begins, sender = PROCESSES.Pipe(duplex=False)
    order = Order(table.driver, table.connection, version, rows, parts)
    process = PROCESSES.Process(target=load, args=(order, sender))
    process.start()
    sender.close()
    assert begins.poll(PATIENCE)
    begins.recv()
    began = time.perf_counter()
    has_ended = begins.poll(seconds)
    took = time.perf_counter() - began
    if has_ended:
        begins.recv()  # it has not failed
    process.kill()
    process.join()
    return took if has_ended else None


def test_a_killed_load_is_completed_by_the_next(table: LoadedTable) -> None:
    found = strike(table, kills=10, rows=5000, parts=5, seed=random.randrange(10**6))
    assert found["kills"] == 10


@pytest.mark.long
@pytest.mark.timeout(0)
def test_a_hundred_killed_loads_are_completed(table: LoadedTable) -> None:
    found = strike(table, kills=100, rows=100_000, parts=10, seed=random.randrange(10**6))
    assert found["kills"] == 100
    assert {"old rows, staging left", "old rows, no staging left"} & set(found)
