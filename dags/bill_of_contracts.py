"""Review 1,000 contracts by one guide of 20,000 tokens, and compare three bills: live, in a batch, with the cache.

- ``batch`` sends the guide with each contract, and each contract pays for it.
- ``batch_with_cache`` marks the guide for the prompt cache. One contract goes first, and writes the guide. The others
  read it at a tenth of the price.
- The live figure is the usage of ``batch`` at the standard price. No live call is made.

``bill`` logs the table and returns its figures. A contract is one sentence here: a longer one adds its own tokens to
each of the bills. ``system`` names the run, so that no run reads from the cache what another has written.

Needs the extra ``[money]``, which has the prices, and the connection ``anthropic_default``. With the simulator behind
it, it costs nothing. With a real key, the sum of the two jobs is what you pay: try it with fewer ``contracts`` first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator

log = logging.getLogger(__name__)

GUIDE = Path(__file__).parent / "data" / "addresses" / "trusts-1889-1914.txt"
PARTIES = ["refiner", "mill", "packer", "mine", "railroad", "dealer", "brewer", "printer", "grocer", "shipyard"]
GOODS = ["oil", "tobacco", "sugar", "steel", "coal", "beef", "lumber", "paper", "copper", "salt"]
DUTIES = [
    "buys {} from no other seller", "sells {} at no lower price than the seller names", "opens no works for {}",
    "gets back a tenth of the price of {}", "shares the market for {} by counties", "pays for {} in thirty days",
    "may return {} that is not as described", "votes as its trustee says in all things of {}",
    "ships {} at a secret rate", "reports each week at what price others offer {}",
]  # fmt: skip


class Finding(BaseModel):
    """What is asked about each contract."""

    restrains_trade: bool
    passage: str = Field(description="The sentence of the guide that decides it, shortened", max_length=200)


def contracts(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the contracts; the same rows each time."""
    for number, (party, goods, duty) in enumerate(islice(product(PARTIES, GOODS, DUTIES), params["contracts"])):
        yield {"contract_id": number, "text": f"For ten years, the {party} {duty.format(goods)}."}


def review(task_id: str, **how: Any) -> MessageBatchOperator:
    """Return a task that reviews all contracts.

    :param how: the arguments in which the tasks differ.
    """
    return MessageBatchOperator(
        task_id=task_id,
        rows=contracts,
        key="contract_id",
        model="{{ params.model }}",
        system="You review contracts by the guide. (Run {{ run_id }})",
        shared_context=str(GUIDE),
        prompt="By the guide, does this contract restrain trade?\n\n{{ row.text }}",
        output_schema=Finding,
        max_tokens=300,
        destination=f"{{{{ params.output }}}}/bill_of_contracts/{{{{ run_id }}}}/{task_id}",
        max_failed_rows=0.01,
        **how,
    )


def dollars(manifest: dict[str, Any], figure: str) -> str:
    """Return a figure of a job's cost to the last digit, such as ``31.016625``."""
    if manifest["cost"] is None:
        raise AirflowFailException("The prices are missing: install airflow-provider-anthropic-batches[money].")
    least = "at least " if manifest["cost"]["at_least"] else ""
    return least + str(manifest["cost"][figure])


with DAG(
    "bill_of_contracts",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "contracts": Param(1000, type="integer", minimum=2, maximum=1000, description="How many to review"),
        "model": Param("claude-sonnet-4-6", type="string", description="Whose bill"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    batch, cached = review("batch"), review("batch_with_cache", prompt_cache="1h")

    @task
    def bill(plain: dict[str, Any], primed: dict[str, Any]) -> dict[str, str]:
        """Log a table of the three bills, in dollars."""
        bills = {
            "live": dollars(plain, "live_usd"),
            "batch": dollars(plain, "cost_usd"),
            "batch, cache and pilot": dollars(primed, "cost_usd"),
        }
        for line in ("| way | cost in $ |", "|---|---:|", *(f"| {way} | {cost} |" for way, cost in bills.items())):
            log.info("%s", line)
        return bills

    bill(batch.output, cached.output)  # type: ignore[arg-type]
