"""The links of a task: which there are, where they lead, and that a task keeps none that leads nowhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from anthropic_batches_provider.decorators import MessageBatchDecoratedOperator
from anthropic_batches_provider.links import (
    CONSOLE_BATCHES_URL,
    MOST_BATCH_LINKS,
    ConsoleBatchesLink,
    ConsoleBatchLink,
    OutputLink,
    console_link,
    show_links,
    task_links,
)
from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor

TASK: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
OPERATORS: list[type[Any]] = [
    MessageBatchOperator,
    MessageBatchDecoratedOperator,
    MessageBatchSubmitOperator,
    MessageBatchSensor,
    MessageBatchResultsOperator,
    MessageBatchCancelOperator,
]
PUBLIC = "https://api.anthropic.com"


def cancel_operator() -> MessageBatchCancelOperator:
    return MessageBatchCancelOperator(task_id="t", batch_ids=["msgbatch_1"])


def shown(operator: Any) -> dict[str, str]:
    """Return the links as Airflow computes them when a stint ends."""
    return {link.name: link.get_link(operator, ti_key=TASK) for link in operator.operator_extra_links}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_has_the_same_links(operator: type[Any]) -> None:
    links = operator.operator_extra_links
    assert [link.name for link in links][:3] == ["Output", "Claude Console: batches", "Claude Console: batch 01"]
    assert len({link.name for link in links}) == len({link.xcom_key for link in links}) == 2 + MOST_BATCH_LINKS
    assert all(link.xcom_key.startswith("_link_") for link in links)


def test_airflow_sorts_the_links_of_batches_in_their_order() -> None:
    names = [link.name for link in task_links() if isinstance(link, ConsoleBatchLink)]
    assert sorted(names) == names


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("", True),
        (PUBLIC, True),
        ("api.anthropic.com/", True),
        ("https://gateway.example.com", False),
        ("http://127.0.0.1:8888", False),
        (None, False),
    ],
)
def test_the_console_shows_batches_of_the_public_host_only(host: str | None, is_public: bool) -> None:
    assert console_link(host) == (CONSOLE_BATCHES_URL if is_public else "")


def test_each_batch_has_a_link_that_opens_the_page_of_batches_at_least() -> None:
    operator = cancel_operator()
    show_links(operator, host=PUBLIC, batch_ids=["msgbatch_1", "msgbatch_2"])
    assert shown(operator) == {
        "Output": "dags/d/runs/r/tasks/t/xcom",
        "Claude Console: batches": CONSOLE_BATCHES_URL,
        "Claude Console: batch 01": f"{CONSOLE_BATCHES_URL}?batch=msgbatch_1",
        "Claude Console: batch 02": f"{CONSOLE_BATCHES_URL}?batch=msgbatch_2",
    }


def test_of_many_batches_the_first_have_links() -> None:
    operator = cancel_operator()
    show_links(operator, host=PUBLIC, batch_ids=[f"msgbatch_{number}" for number in range(500)])
    assert len(shown(operator)) == 2 + MOST_BATCH_LINKS
    assert "" not in shown(operator).values()


@pytest.mark.parametrize(
    "known",
    [{}, {"host": "http://127.0.0.1:8888", "batch_ids": ["msgbatch_1"]}, {"batch_ids": ["msgbatch_1"]}],
    ids=["nothing", "another host", "no host"],
)
def test_a_task_keeps_no_link_without_an_address(known: dict[str, Any]) -> None:
    operator = cancel_operator()
    show_links(operator, **known)
    assert shown(operator) == {"Output": "dags/d/runs/r/tasks/t/xcom"}


def test_links_come_back_when_they_lead_somewhere_and_others_classes_keep_theirs() -> None:
    operator = cancel_operator()
    show_links(operator)
    show_links(operator, host="", batch_ids=["msgbatch_1"])
    assert len(shown(operator)) == 3
    assert len(cancel_operator().operator_extra_links) == len(MessageBatchCancelOperator.operator_extra_links) == 12


def test_links_that_a_subclass_adds_are_kept() -> None:
    class Ours(OutputLink):
        name = "Ours"

        def get_link(self, operator: Any, *, ti_key: Any) -> str:
            return "https://example.com"

    class Subclass(MessageBatchCancelOperator):
        operator_extra_links = (*MessageBatchCancelOperator.operator_extra_links, Ours())

    operator = Subclass(task_id="t", batch_ids=["msgbatch_1"])
    show_links(operator)
    assert list(shown(operator)) == ["Output", "Ours"]


def test_a_link_of_a_task_that_never_ran_leads_nowhere() -> None:
    operator = cancel_operator()
    assert ConsoleBatchesLink().get_link(operator, ti_key=TASK) == ""
    assert ConsoleBatchLink(1).get_link(operator, ti_key=TASK) == ""
