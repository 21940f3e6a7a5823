"""Jobs are priced by the user's own prices, of an argument or the connection; a mistake in them sends nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any

import airflow
import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tests.dags.conftest import DagRunner, Run, check_told

OPUS, HAIKU, MYTHOS = "claude-opus-5-5", "claude-haiku-5-5", "claude-mythos-5-1"
ROWS = 6
IS_OLDEST = airflow.__version__.startswith("3.0.")

ARGUMENT = {  # dollars for a million tokens in a batch
    OPUS: ("1.44", "7.2"),
    MYTHOS: ("25", "125.000001"),
}
OF_CONNECTION: dict[str, dict[str, Any]] = {
    OPUS: {"input": 3, "output": 15},
    HAIKU: {"input": "0.08", "output": "0.40", "batch": "0.25", "above": {}},
}
DOUBLED = {**OF_CONNECTION[HAIKU], "batch": "0.50"}
CONNECTION = {OPUS: ("1.5", "7.5"), HAIKU: ("0.02", "0.1")}
PUBLIC = {  # https://platform.claude.com/docs/en/about-claude/pricing
    OPUS: ("2", "10"),
    HAIKU: ("0.05", "0.25"),
}


def by_hand(rows: Iterable[Mapping[str, Any]], prices: Mapping[str, tuple[str, str]]) -> Decimal:
    """Return what the rows cost in dollars, without those whose model has no price."""
    total = Decimal(0)
    for row in rows:
        if row["model"] in prices:
            of_input, of_output = map(Decimal, prices[row["model"]])
            usage = row["usage"]
            assert usage["input_tokens"] > 0
            assert usage["output_tokens"] > 0
            total += (usage["input_tokens"] * of_input + usage["output_tokens"] * of_output) / 10**6
    return total


def mapped_costs(run: Run) -> list[Any]:
    """Return whose prices held for each mapped task, and what its rows cost."""
    return [
        (cost["prices"], Decimal(cost["cost_usd"]))
        for cost in (run.xcom("mapped", "manifest", index)["cost"] for index in range(2))
    ]


def connect(monkeypatch: pytest.MonkeyPatch, simulator: MessageBatchSimulator, prices: object) -> None:
    connection = {**simulator.airflow_connection, "extra": {"prices": prices}}
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(connection))


def told(run: Run, task_id: str, prices: Mapping[str, tuple[str, str]], *sources: str) -> dict[str, Any]:
    """Check the cost in the manifest of a task against that by hand, and return it."""
    rows, cost = run.xcom(task_id), run.xcom(task_id, "manifest")["cost"]
    assert len(rows) == ROWS
    assert Decimal(cost["cost_usd"]) == by_hand(rows, prices)
    for model, figures in cost["models"].items():
        assert Decimal(figures["cost_usd"]) == by_hand((row for row in rows if row["model"] == model), prices)
    assert [source.split("0.")[0] for source in cost["prices"]] == list(sources)
    unpriced = sum(row["model"] not in prices for row in rows)
    assert (cost["at_least"], cost["unknown_requests"]) == (unpriced > 0, unpriced)
    return dict(cost)


def test_prices_of_the_argument_of_the_connection_and_of_the_library_hold_in_this_order(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    connect(monkeypatch, message_batch_simulator, OF_CONNECTION)
    run = dags.run("given_prices")
    assert set(run.tasks.values()) == {"success"}, run.tasks
    both, of_argument, of_connection = (
        {**CONNECTION, **ARGUMENT},
        "the argument `prices`",
        "the connection anthropic_default",
    )
    for task_id in ("argument", "results", "decorated"):
        cost = told(run, task_id, both, of_argument, of_connection)
        opus = cost["models"][OPUS]
        assert Decimal(opus["live_usd"]) == Decimal(opus["cost_usd"]) / Decimal("0.4")
        assert cost["models"][HAIKU]["prices"] == [of_connection]
    told(run, "connection", CONNECTION, of_connection)
    if not IS_OLDEST:  # which keeps the log of a task to itself
        table = [message for message in caplog.messages if message.startswith("Cost of ")]
        assert sum(f" at the prices of {of_argument} and {of_connection}." in line for line in table) >= 3
        unknown = [message for message in caplog.messages if f"does not know `{MYTHOS}`" in message]
        assert all("or in the extra `prices` of its connection" in message for message in unknown)
        assert len(unknown) >= 1


def test_without_prices_in_the_connection_those_of_the_library_hold_beside_the_argument(dags: DagRunner) -> None:
    pytest.importorskip("genai_prices")
    run = dags.run("given_prices")
    assert set(run.tasks.values()) == {"success"}, run.tasks
    told(run, "argument", {**PUBLIC, **ARGUMENT}, "genai-prices ", "the argument `prices`")
    told(run, "connection", PUBLIC, "genai-prices ")


def test_each_mapped_task_has_its_own_prices(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, message_batch_simulator, OF_CONNECTION)
    run = dags.run("given_prices")
    of_connection, of_both = mapped_costs(run)
    rows = run.xcom("argument")
    assert of_connection == (["the connection anthropic_default"], by_hand(rows, CONNECTION))
    assert of_both[1] == by_hand(rows, {**CONNECTION, **ARGUMENT})


def test_a_cleared_task_prices_its_job_anew_for_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = {OPUS: ("3", "15"), HAIKU: ("0.04", "0.2")}
    connect(monkeypatch, message_batch_simulator, {OPUS: {**OF_CONNECTION[OPUS], "batch": 1}, HAIKU: DOUBLED})
    told(dags.run("given_prices"), "connection", twice, "the connection anthropic_default")
    sent = message_batch_simulator.control.received().batches_created
    connect(monkeypatch, message_batch_simulator, OF_CONNECTION)
    told(dags.run("given_prices"), "connection", CONNECTION, "the connection anthropic_default")
    assert message_batch_simulator.control.received().batches_created == sent


WRONG: list[tuple[object, str]] = [
    ({OPUS: {"input": "4"}}, f"`prices` of its extra['{OPUS}']: `output` is missing. Nothing was sent."),
    ({OPUS: {"input": "4", "output": "free"}}, f"`prices` of its extra['{OPUS}']: `output` is 'free'"),
    ("{", "`prices` of its extra is not JSON"),
]


@pytest.mark.parametrize(("prices", "message"), WRONG)
def test_a_mistake_in_the_connection_sends_nothing_by_any_task(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    prices: object,
    message: str,
) -> None:
    connect(monkeypatch, message_batch_simulator, prices)
    run = dags.run("wrong_prices")
    assert (run.tasks.pop("contract"), set(run.tasks.values())) == ("success", {"failed", "upstream_failed"})
    check_told(capfd, f"Connection anthropic_default: {message}")
    assert message_batch_simulator.control.received().creates == []
    assert message_batch_simulator.control.billing().rows_billed == 0

    connect(monkeypatch, message_batch_simulator, {OPUS: {"input": "4", "output": "20"}})
    run = dags.run("wrong_prices")
    assert set(run.tasks.values()) == {"success"}
    assert message_batch_simulator.control.billing().rows_billed == 2 * 3


def test_prices_of_no_use_that_another_task_brings_send_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    run = dags.run("wrong_prices", {"output": "-20"})
    assert run.tasks["mapped"] == "failed"
    assert {state for task, state in run.tasks.items() if task != "mapped"} == {"success"}
    check_told(capfd, f"`prices`['{OPUS}']: `output` is '-20': it must be a number, 0 or more. Nothing was sent.")
    assert message_batch_simulator.control.received().batches_created == 2


def test_a_task_that_collects_by_a_connection_with_a_mistake_writes_nothing_and_loses_nothing(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    wrong = {**message_batch_simulator.airflow_connection, "extra": {"prices": {OPUS: {"output": "20"}}}}
    monkeypatch.setenv("AIRFLOW_CONN_MISTAKEN", json.dumps(wrong))
    run = dags.run("wrong_prices", {"conn_id": "mistaken"})
    assert [task for task, state in run.tasks.items() if state != "success"] == ["results"]
    check_told(
        capfd,
        f"Connection mistaken: `prices` of its extra['{OPUS}']: `input` is missing. Nothing was written; the results "
        "are kept, and collecting them costs nothing.",
    )
    assert set(dags.run("wrong_prices").tasks.values()) == {"success"}
    assert message_batch_simulator.control.billing().rows_billed == 2 * 3


def test_a_connection_that_loses_its_prices_while_a_task_waits_fails_no_wait_and_loses_nothing(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fired = []
    run_trigger = MessageBatchTrigger.run

    async def in_a_broken_connection(trigger: MessageBatchTrigger) -> AsyncIterator[Any]:
        connect(monkeypatch, message_batch_simulator, {OPUS: {"input": "4"}})
        async for event in run_trigger(trigger):
            fired.append(event.payload["outcome"])
            yield event

    with monkeypatch.context() as waiting:
        waiting.setattr(MessageBatchTrigger, "run", in_a_broken_connection)
        message_batch_simulator.control.change_settings(batch_duration=1.0)
        run = dags.run("waits_for_prices")
    assert fired == ["ended"]
    assert run.tasks == {"label": "failed"}
    check_told(capfd, "`output` is missing. The job at ", "its batches run on. Correct the prices, and clear this task")

    connect(monkeypatch, message_batch_simulator, {OPUS: {"input": "4", "output": "20"}})
    run = dags.run("waits_for_prices")
    assert run.tasks == {"label": "success"}
    assert run.xcom("label", "manifest")["cost"]["prices"] == ["the connection anthropic_default"]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (2, 1)
