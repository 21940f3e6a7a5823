"""The example DAGs that say what jobs cost run, unchanged, on the simulator; its bill confirms each figure."""

from __future__ import annotations

import ast
import logging
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pendulum
import pytest

from anthropic_batches_provider.batches.money import published_prices
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices
from anthropic_batches_provider.simulator import SimulatorControl
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from anthropic_batches_provider.simulator.service.model_catalog import KNOWN_MODELS
from tests.dags.conftest import LOGICAL_DATE, ROOT, DagRunner, Run, check_told, rows_in

EXAMPLES = ["bill_of_contracts", "cheapest_or_dearest_model", "reviews_within_a_limit"]

HAIKU, SONNET, FABLE = "claude-haiku-5-5", "claude-sonnet-4-6", "claude-fable-5-1"
PRICES = {  # dollars for a million tokens in a batch: https://platform.claude.com/docs/en/about-claude/pricing
    HAIKU: {"input_tokens": "0.05", "output_tokens": "0.25"},
    FABLE: {"input_tokens": "5", "output_tokens": "25"},
    SONNET: {
        "input_tokens": "1.5", "output_tokens": "7.5", "cache_creation_input_tokens": "3",  # for an hour
        "cache_read_input_tokens": "0.15",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", [*EXAMPLES, "feedback_labels"])
def test_the_body_of_each_is_at_most_25_lines(name: str) -> None:
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


@pytest.fixture
def without_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let genai-prices be missing."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    published_prices._library.cache_clear()
    yield
    monkeypatch.undo()
    published_prices._library.cache_clear()


def price_of(usages: Iterable[dict[str, Any]], model: str) -> Decimal:
    """Return what answers cost in a batch, in dollars, computed by hand."""
    found = list(usages)
    return sum(
        (Decimal(price) * sum(usage[name] for usage in found) / 10**6 for name, price in PRICES[model].items()),
        Decimal(0),
    )


def text(dollars: Decimal) -> str:
    """Return an amount without zeros at its end, as the examples show it."""
    return f"{dollars.normalize():f}"


def usages_in(folder: Path) -> list[dict[str, Any]]:
    """Return the usage of each answer of an output."""
    return [row["usage"] for row in rows_in(folder) if row["usage"]]


def check_these_are_the_bill(simulator: MessageBatchSimulator, usages: list[dict[str, Any]], jobs: int = 1) -> None:
    """Check that given answers are all that was billed, and none of them twice.

    :param jobs: how many ask the same, but for marks of the cache.
    """
    billing = simulator.control.billing()
    assert (billing.rows_billed, billing.distinct_contents) == (len(usages), len(usages) // jobs)
    assert billing.max_times_billed == jobs
    names = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert {name: sum(usage[name] for usage in usages) for name in names} == {
        name: getattr(billing.tokens, name) for name in names
    }


# --- the bill of one job


def label_feedbacks(dags: DagRunner, tmp_path: Path, feedbacks: int) -> tuple[Run, list[dict[str, Any]]]:
    run = dags.run("feedback_labels", {"output": str(tmp_path / "out"), "feedbacks": feedbacks})
    assert run.tasks == {"label": "success", "summarize": "success", "bill": "success"}
    (folder,) = (tmp_path / "out" / "feedback_labels").iterdir()
    return run, usages_in(folder)


def test_five_thousand_feedbacks_say_what_they_cost_and_that_their_usage_is_twice_as_much_live(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run, usages = label_feedbacks(dags, tmp_path, feedbacks=5000)
    assert len(usages) == 5000
    check_these_are_the_bill(message_batch_simulator, usages)
    cost = price_of(usages, HAIKU)
    sentence = f"This job cost ${text(cost)}; live ${text(2 * cost)} (the same usage at the standard price)."
    assert run.xcom("bill") == sentence
    assert sentence in caplog.messages


def test_feedback_whose_result_is_unreadable_makes_the_bill_a_least(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("unreadable", contains="The kettle broke at once", times=1)
    run, usages = label_feedbacks(dags, tmp_path, feedbacks=200)
    assert len(usages) == 199
    cost = price_of(usages, HAIKU)
    assert run.xcom("bill").startswith(f"This job cost at least ${text(cost)}; live at least ${text(2 * cost)} (")


@pytest.mark.usefixtures("without_prices")
def test_without_prices_the_labels_come_all_the_same_and_the_bill_says_what_to_install(
    dags: DagRunner, tmp_path: Path
) -> None:
    run, usages = label_feedbacks(dags, tmp_path, feedbacks=20)
    assert len(usages) == 20
    assert "airflow-provider-anthropic-batches[money] is not installed" in run.xcom("bill")


# --- live, in a batch, with the prompt cache


def test_a_thousand_contracts_cost_60_dollars_live_half_in_a_batch_and_less_than_4_with_the_cache(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run = dags.run("bill_of_contracts", {"output": str(tmp_path / "out")})
    assert run.tasks == {"batch": "success", "batch_with_cache": "success", "bill": "success"}
    (folder,) = (tmp_path / "out" / "bill_of_contracts").iterdir()
    plain, primed = usages_in(folder / "batch"), usages_in(folder / "batch_with_cache")
    assert (len(plain), len(primed)) == (1000, 1000)
    check_these_are_the_bill(message_batch_simulator, [*plain, *primed], jobs=2)
    assert sum(usage["cache_read_input_tokens"] > 20_000 for usage in primed) == 999

    batch, cached = price_of(plain, SONNET), price_of(primed, SONNET)
    figures = {"live": text(2 * batch), "batch": text(batch), "batch, cache and pilot": text(cached)}
    assert run.xcom("bill") == figures
    table = ["| way | cost in $ |", "|---|---:|", *(f"| {way} | {cost} |" for way, cost in figures.items())]
    first = caplog.messages.index(table[0])
    assert caplog.messages[first : first + len(table)] == table
    assert 60 < 2 * batch < 65
    assert 3 < cached < 4


def test_a_second_run_of_the_contracts_reads_nothing_that_the_first_has_written(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.change_settings(warm_cache_hit_rate=1.0)
    days = [pendulum.datetime(2026, 3, day, tz="UTC") for day in (14, 15)]
    conf = {"output": str(tmp_path / "out"), "contracts": 20}
    first, second = (dags.run("bill_of_contracts", conf, day).xcom("bill") for day in days)
    assert second == first
    writers = [
        usage
        for folder in (tmp_path / "out" / "bill_of_contracts").iterdir()
        for usage in usages_in(folder / "batch_with_cache")
        if usage["cache_creation_input_tokens"]
    ]
    assert len(writers) == len(days)


# --- the cheapest model against the dearest


@pytest.mark.parametrize("messages", [1000, pytest.param(50_000, marks=pytest.mark.long)])
def test_messages_cost_a_hundred_times_as_much_by_the_dearest_model_and_one_in_ten_answers_differs(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, messages: int
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("succeeded", model=FABLE, contains=" hums ", text='{"topic": "praise"}')
    control.add_outcome("succeeded", text='{"topic": "product"}')
    run = dags.run("cheapest_or_dearest_model", {"output": str(tmp_path / "out"), "messages": messages})
    assert set(run.tasks.values()) == {"success"}
    (folder,) = (tmp_path / "out" / "cheapest_or_dearest_model").iterdir()
    cheap, dear = usages_in(folder / "map_index=0"), usages_in(folder / "map_index=1")
    assert (len(cheap), len(dear)) == (messages, messages)
    check_these_are_the_bill(message_batch_simulator, [*cheap, *dear])
    costs = {HAIKU: price_of(cheap, HAIKU), FABLE: price_of(dear, FABLE)}
    assert run.xcom("compare") == {"cost_usd": {model: text(cost) for model, cost in costs.items()}, "agreement": 0.9}
    assert costs[FABLE] / costs[HAIKU] == pytest.approx(100, rel=0.01)


def test_answers_that_do_not_fit_agree_with_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("refusal", contains="The red kettle broke today.")
    run = dags.run("cheapest_or_dearest_model", {"output": str(tmp_path / "out"), "messages": 200})
    assert run.xcom("compare")["agreement"] == 1 - 1 / 200


def test_the_two_models_are_the_cheapest_and_the_dearest_of_those_with_a_price() -> None:
    now = pendulum.now("UTC")
    prices = PriceList()
    served = [model.id for model in KNOWN_MODELS if not model.retired]
    known = {model: found for model in served if isinstance(found := prices.of(model, now, None), ModelPrices)}
    charged = {model: (each.batch.input, each.batch.output) for model, each in known.items()}
    assert charged[HAIKU] == min(charged.values())
    assert charged[FABLE] == max(charged.values())


# --- an estimate first


def within_a_limit(dags: DagRunner, conf: dict[str, Any], requests_per_shard: int | None = None) -> Run:
    """Run the example that estimates first; as it is, but for the size of a batch if that is given."""
    dag = dags.load("reviews_within_a_limit")
    if requests_per_shard is not None:
        for task_id in ("estimate", "label"):
            dag.get_task(task_id).max_requests_per_shard = requests_per_shard
    dag_run = dag.test(logical_date=LOGICAL_DATE, run_conf=conf)
    tasks = {task.task_id: str(task.state) for task in dag_run.get_task_instances()}
    return Run(state=str(dag_run.state), tasks=tasks, dag_run=dag_run)


@pytest.mark.parametrize(
    ("reviews", "requests_per_shard"), [(2_500, 500), pytest.param(500_000, None, marks=pytest.mark.long)]
)
def test_reviews_are_estimated_first_and_cost_what_the_interval_says_in_five_batches_and_more(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    tmp_path: Path,
    reviews: int,
    requests_per_shard: int | None,
) -> None:
    run = within_a_limit(dags, {"output": str(tmp_path / "out"), "reviews": reviews}, requests_per_shard)
    assert run.tasks == dict.fromkeys(("estimate", "is_affordable", "label", "bill"), "success")
    control = SimulatorControl(message_batch_simulator.control.base_url, timeout=600)  # long bills take a minute
    billing, told, estimate = control.billing(), run.xcom("bill"), run.xcom("estimate")
    assert (billing.rows_billed, billing.max_times_billed) == (reviews, 1)
    assert len(billing.batches) == estimate["batches"] >= 5
    assert told["cost_usd"] == text(price_of([msgspec.to_builtins(billing.tokens)], HAIKU))
    assert Decimal(told["low_usd"]) <= Decimal(told["cost_usd"]) <= Decimal(told["high_usd"])
    assert (estimate["rows"], estimate["invalid_rows"]) == (reviews, 0)
    assert 40 < estimate["sampled_rows"] <= 50  # a row may be drawn twice


@pytest.mark.parametrize(("dollars_less", "sent"), [("0", True), ("0.000000001", False)])
def test_a_job_is_sent_if_the_high_end_of_its_estimate_is_the_limit_and_not_if_it_is_above(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, dollars_less: str, sent: bool
) -> None:
    conf = {"output": str(tmp_path / "out"), "reviews": 40}  # fewer than are sampled: all are counted
    high = Decimal(within_a_limit(dags, conf | {"most_usd": 0}).xcom("estimate")["high_usd"])
    control = message_batch_simulator.control
    assert (control.billing().batches, list((tmp_path / "storage").rglob("*.json"))) == ([], [])
    run = within_a_limit(dags, conf | {"most_usd": float(high - Decimal(dollars_less))})
    label = "success" if sent else "skipped"
    assert run.tasks == {"estimate": "success", "is_affordable": "success", "label": label, "bill": label}
    assert control.billing().rows_billed == (40 if sent else 0)


@pytest.mark.usefixtures("without_prices")
def test_a_job_whose_prices_are_unknown_is_not_sent(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = within_a_limit(dags, {"output": str(tmp_path / "out"), "reviews": 5})
    assert run.tasks == {"estimate": "success", "is_affordable": "success", "label": "skipped", "bill": "skipped"}
    assert message_batch_simulator.control.billing().batches == []


# --- without prices, comparisons end with an error


@pytest.mark.usefixtures("without_prices")
@pytest.mark.parametrize(
    ("name", "conf", "task"),
    [("bill_of_contracts", {"contracts": 2}, "bill"), ("cheapest_or_dearest_model", {"messages": 2}, "compare")],
)
def test_a_comparison_of_costs_without_prices_fails_and_says_what_to_install(
    dags: DagRunner,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    name: str,
    conf: dict[str, int],
    task: str,
) -> None:
    run = dags.run(name, {"output": str(tmp_path / "out"), **conf})
    assert run.tasks.pop(task) == "failed"
    assert set(run.tasks.values()) == {"success"}
    check_told(capfd, "The prices are missing: install airflow-provider-anthropic-batches[money].")
