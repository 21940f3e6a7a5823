"""What the jobs of the example DAGs cost: live, in a batch, and with the prompt cache.

Every line is a run of an example, unchanged, on a simulator of its own, with as many rows as its parameters say. The
costs are those of the manifests, which must hold as many requests as the simulator billed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_batches_provider.batches.money.dollars import pico_of, rounded_dollars
from anthropic_batches_provider.simulator import SimulatorControl, SimulatorServer
from benchmarks.contestants import connections
from benchmarks.dag_tests import DagTests
from benchmarks.peers_environment import REPOSITORY

_EXAMPLES = REPOSITORY / "dags"
_LONGEST_SECONDS = 600  # for a bill of half a million rows


@dataclass(frozen=True)
class Job:
    """A job of an example.

    :param what: its rows, in words.
    :param output: its folder of the output, below that of the run.
    """

    what: str
    output: str = "."


@dataclass(frozen=True)
class Example:
    """An example DAG.

    :param estimate: the task that estimates its job, if there is one.
    """

    module: str
    jobs: tuple[Job, ...]
    estimate: str = ""


EXAMPLES = (
    Example("feedback_labels", (Job("feedbacks"),)),
    Example(
        "bill_of_contracts",
        (
            Job("contracts over one guide", "batch"),
            Job("contracts over one guide, cache and pilot", "batch_with_cache"),
        ),
    ),
    Example("cheapest_or_dearest_model", (Job("messages", "map_index=0"), Job("messages", "map_index=1"))),
    Example("reviews_within_a_limit", (Job("reviews"),), estimate="estimate"),
)


@dataclass(frozen=True)
class Bill:
    """What a job cost.

    :param live_usd: the same usage at the standard price.
    :param estimate: what its estimate returned; None if there was none.
    """

    module: str
    what: str
    model: str
    rows: int
    batches: int
    live_usd: str
    cost_usd: str
    estimate: Mapping[str, Any] | None


def measure(python: str, home: Path) -> Sequence[Bill]:
    """Run every example; see :class:`DagTests`."""
    tests = DagTests(python, home, _EXAMPLES)
    return [bill for example in EXAMPLES for bill in _bills(example, tests, home / example.module)]


def _bills(example: Example, tests: DagTests, home: Path) -> Iterator[Bill]:
    output = home / "output"
    returning = [example.estimate] if example.estimate else []
    with SimulatorServer() as server:
        variables = connections(server.base_url, server.api_key)
        answer = tests.run(example.module, home, variables, {"output": str(output)}, returning)
        billed = SimulatorControl(server.base_url, timeout=_LONGEST_SECONDS).billing().rows_billed
    if answer["state"] != "success":
        raise RuntimeError(f"{example.module}: {answer}; see {home}")
    (folder,) = (output / example.module).iterdir()
    manifests = [json.loads((folder / job.output / "_manifest.json").read_bytes()) for job in example.jobs]
    if sum(manifest["cost"]["requests"] for manifest in manifests) != billed:
        raise RuntimeError(f"{example.module}: {billed} requests were billed, and others have a cost; see {home}")
    for job, manifest in zip(example.jobs, manifests, strict=True):
        yield _bill(example, job, manifest, answer["returned"].get(example.estimate))


def _bill(example: Example, job: Job, manifest: Mapping[str, Any], estimate: Mapping[str, Any] | None) -> Bill:
    cost = manifest["cost"]
    if cost["at_least"]:
        raise RuntimeError(f"{example.module}: the cost of some requests is unknown: {cost['unknown']}")
    bill = Bill(
        module=example.module,
        what=job.what,
        model=" and ".join(cost["models"]),
        rows=manifest["counts"]["rows"],
        batches=len(manifest["batch_ids"]),
        live_usd=cost["live_usd"],
        cost_usd=cost["cost_usd"],
        estimate=estimate,
    )
    print(bill, flush=True)
    return bill


def as_table(bills: Sequence[Bill]) -> Sequence[str]:
    """Return the lines of a Markdown table, a line per job."""
    header = ("job", "model", "batches", "estimated before", "live price", "cost")
    lines = [f"| {' | '.join(header)} |", "|---|---|---:|---:|---:|---:|"]
    for bill in bills:
        money = _estimated(bill.estimate), _rounded(bill.live_usd), _rounded(bill.cost_usd)
        job = f"[{bill.rows:,} {bill.what}](../dags/{bill.module}.py)"
        lines.append(f"| {job} | `{bill.model}` | {bill.batches} | {' | '.join(money)} |")
    return lines


def _estimated(estimate: Mapping[str, Any] | None) -> str:
    return "" if estimate is None else f"{_rounded(estimate['low_usd'])} to {_rounded(estimate['high_usd'])}"


def _rounded(dollars: str) -> str:
    return rounded_dollars(pico_of(dollars))
