"""Every ended batch is reported once, whatever fails, restarts or stalls; in virtual time, on a workspace in memory."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_batches_provider.batches.client import Sighting
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.edge import ended_batch_watch
from anthropic_batches_provider.edge.ended_batch_watch import AssetMemory, EndedBatchWatch, asset_stores
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    ConfigurationError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.unit.workspace_in_memory import AssetStore, Lifetime, TimeIsUp, Workspace, told_until, watch_of


async def test_what_ended_before_the_first_start_is_not_told_and_what_ends_after_it_is_told_once() -> None:
    workspace = Workspace(
        Lifetime("before", -500, -100),
        Lifetime("long", -400, 900),
        Lifetime("short", 100, 200),
        Lifetime("open", 5, 1e6),
    )
    assert await told_until(3600, workspace, watch_of(workspace, AssetStore())) == ["short", "long"]


async def test_after_a_restart_nothing_is_told_again_and_what_ended_meanwhile_is_told() -> None:
    workspace = Workspace(Lifetime("first", -400, 100), Lifetime("meanwhile", -300, 5000), Lifetime("later", 50, 8000))
    store = AssetStore()
    assert await told_until(1000, workspace, watch_of(workspace, store)) == ["first"]
    workspace.now = 7000.0
    assert await told_until(9000, workspace, watch_of(workspace, store)) == ["meanwhile", "later"]
    workspace.now = 90_000.0
    assert await told_until(99_000, workspace, watch_of(workspace, store)) == []


async def test_a_watch_that_is_killed_before_its_first_batch_has_ended_misses_nothing() -> None:
    workspace = Workspace(Lifetime("meanwhile", -300, 500))
    store = AssetStore()
    assert await told_until(100, workspace, watch_of(workspace, store)) == []
    workspace.now = 1000.0
    assert await told_until(2000, workspace, watch_of(workspace, store)) == ["meanwhile"]


async def test_what_airflow_may_not_have_taken_when_the_triggerer_was_killed_is_told_again_rather_than_lost() -> None:
    workspace = Workspace(Lifetime("unconfirmed", -300, 10))
    store = AssetStore()
    assert await told_until(61, workspace, watch_of(workspace, store)) == ["unconfirmed"]
    assert await told_until(1000, workspace, watch_of(workspace, store)) == ["unconfirmed"]
    assert await told_until(2000, workspace, watch_of(workspace, store)) == []


async def test_a_stalled_watch_that_goes_on_tells_nothing_that_its_successor_told() -> None:
    batches = [Lifetime("first", -400, 100), Lifetime("second", -400, 5000)]
    stalled, successor = Workspace(*batches), Workspace(*batches)
    store = AssetStore()
    stalled_tells = asyncio.ensure_future(told_until(8000, stalled, watch_of(stalled, store)))
    await stalled.reaches(1000)
    stalled.awake.clear()
    successor.now = 6000.0
    assert await told_until(7000, successor, watch_of(successor, store)) == ["second"]
    stalled.now = 7000.0
    stalled.awake.set()
    assert await stalled_tells == ["first"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (RateLimitedError("busy", status=429, retry_after_seconds=1000), [0, 1000]),
        (ApiStatusError("down", status=500), [0, 60]),
        (AuthenticationFailedError("no", status=401), [0, 60]),
        (ApiConnectionError("lost", connected=False), [0, 60]),
        (UnexpectedAnswerError("a page of a proxy"), [0, 60]),
        (OSError("no route"), [0, 60]),
    ],
)
async def test_a_failed_look_is_waited_out_and_nothing_is_missed(fault: Exception, expected: list[float]) -> None:
    workspace = Workspace(Lifetime("a", -300, 30))
    workspace.faults = [fault]
    assert await told_until(3000, workspace, watch_of(workspace, AssetStore())) == ["a"]
    assert workspace.looks[:2] == pytest.approx(expected)


async def test_no_header_parks_a_watch_for_days() -> None:
    workspace = Workspace(Lifetime("a", -300, 30))
    workspace.faults = [RateLimitedError("busy", status=429, retry_after_seconds=864_000)]
    assert await told_until(9000, workspace, watch_of(workspace, AssetStore())) == ["a"]
    assert workspace.looks[:2] == pytest.approx([0, 3600])


async def test_what_a_secrets_backend_says_comes_into_no_log(caplog: pytest.LogCaptureFixture) -> None:
    workspace = Workspace()
    workspace.faults = [OSError("vault token hvs.secret has expired"), ApiStatusError("down", status=500)]
    await told_until(300, workspace, watch_of(workspace, AssetStore()))
    assert "hvs.secret" not in caplog.text
    assert "OSError" in caplog.text
    assert "down" in caplog.text


async def test_a_client_that_does_not_close_holds_no_watch_up(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(Lifetime("a", -300, 30))
    workspace.faults = [OSError("no route")]
    monkeypatch.setattr(ended_batch_watch, "_CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(workspace, "close", asyncio.Event().wait)
    async with asyncio.timeout(10):
        assert await told_until(3000, workspace, watch_of(workspace, AssetStore())) == ["a"]


async def test_of_a_long_list_only_what_is_told_is_made_into_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = Sighting.batch

    def noted(sighting: Sighting) -> MessageBatch:
        made.append(sighting.id)
        return make(sighting)

    monkeypatch.setattr(Sighting, "batch", noted)
    old = [Lifetime(f"old-{number}", -80_000 + number, -70_000) for number in range(1000)]
    workspace = Workspace(*old, Lifetime("a", -300, 100), Lifetime("open", -300, 1e6))
    workspace.page_size = 1000
    assert await told_until(3000, workspace, watch_of(workspace, AssetStore())) == ["a"]
    assert made == ["a"]


async def test_others_on_the_loop_have_their_turns_while_thousands_are_told() -> None:
    workspace = Workspace(*(Lifetime(f"batch-{number}", -300, 10) for number in range(2000)))
    workspace.page_size = 1000
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(another())
    assert len(await told_until(600, workspace, watch_of(workspace, AssetStore()))) == 2000
    task.cancel()
    assert turns >= 2000


async def test_failures_in_a_row_slow_the_looks_down_up_to_eightfold() -> None:
    workspace = Workspace()
    workspace.faults = [ApiStatusError("down", status=503) for _ in range(6)]
    await told_until(3000, workspace, watch_of(workspace, AssetStore()))
    pauses = [later - earlier for earlier, later in zip(workspace.looks, workspace.looks[1:], strict=False)]
    assert pauses[:7] == pytest.approx([60, 120, 240, 480, 480, 480, 60])


async def test_a_missing_connection_is_waited_out() -> None:
    workspace = Workspace(Lifetime("a", -300, 30))
    attempts = 0

    async def connect() -> Workspace:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConfigurationError("There is no connection claude.")
        return workspace

    store = AssetStore()
    watch = EndedBatchWatch(connect, AssetMemory([store], "told"), poll_interval=60, sleep=workspace.sleep)
    assert await told_until(3000, workspace, watch) == []  # it had ended before the watch could begin
    workspace.batches.append(Lifetime("b", 100, 3500))
    assert await told_until(9000, workspace, watch_of(workspace, store)) == ["b"]


async def test_a_store_that_fails_for_a_while_lets_nothing_be_told_twice() -> None:
    workspace = Workspace(Lifetime("a", -300, 100), Lifetime("b", -300, 500))
    store = AssetStore()
    watch = watch_of(workspace, store)
    told = watch.batches()
    workspace.until = 1e9
    first = asyncio.ensure_future(anext(told))
    await workspace.reaches(60)
    store.is_down = True
    second = [await first, await anext(told)]
    assert [batch.id for batch in second] == ["a", "b"]
    store.is_down = False
    workspace.until = 3000
    with pytest.raises(TimeIsUp):
        await anext(told)
    assert await told_until(6000, workspace, watch_of(workspace, store)) == []


async def test_a_look_ends_where_nothing_older_can_be_news() -> None:
    old = [Lifetime(f"old-{number}", -80_000 + number, -70_000) for number in range(3000)]
    workspace = Workspace(*old, Lifetime("slow", -2000, 80_000))
    store = AssetStore()
    assert await told_until(70_000, workspace, watch_of(workspace, store)) == []
    assert workspace.pages_shown < 3000 / workspace.page_size + len(workspace.looks) + 2
    assert await told_until(90_000, workspace, watch_of(workspace, store)) == ["slow"]


@settings(max_examples=60, deadline=None)
@given(
    lifetimes=st.lists(st.tuples(st.integers(-80_000, 80_000), st.integers(1, 86_400)), max_size=25),
    restarts=st.lists(st.tuples(st.integers(0, 160_000), st.integers(0, 40_000)), max_size=4),
)
async def test_whatever_ends_when_and_however_often_the_triggerer_restarts_each_is_told_once(
    lifetimes: list[tuple[int, int]], restarts: list[tuple[int, int]]
) -> None:
    batches = [Lifetime(f"batch-{n}", created, created + life) for n, (created, life) in enumerate(lifetimes)]
    workspace, store = Workspace(*batches), AssetStore()
    workspace.is_killed_while_handing_over = False
    told: list[str] = []
    for moment, pause in [*sorted(restarts), (200_000, 0)]:
        told += await told_until(
            max(moment, workspace.now + 3000), workspace, watch_of(workspace, store, poll_interval=600)
        )
        workspace.now += pause
    assert sorted(told) == sorted(each.name for each in batches if each.ended > 0)


def test_assets_that_share_a_trigger_share_what_was_told_and_without_a_store_there_is_none() -> None:
    accessors_of_several = type("Accessors", (), {"_by_name": {"a": 1}, "_by_uri": {"b": 2}})()
    assert asset_stores(accessors_of_several) == [1, 2]
    assert asset_stores(None) == []


async def test_an_asset_that_came_later_is_told_what_comes_after() -> None:
    workspace = Workspace(Lifetime("a", -300, 100), Lifetime("b", -300, 5000))
    old, new = AssetStore(), AssetStore()
    assert await told_until(1000, workspace, watch_of(workspace, old)) == ["a"]
    assert await told_until(9000, workspace, watch_of(workspace, old, new)) == ["b"]
    assert old.entries == new.entries
