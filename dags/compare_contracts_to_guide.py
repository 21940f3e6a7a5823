"""Compare 1,000 contracts to one guide of 20,000 tokens, which the requests share in the prompt cache.

The guide is ``shared_context``: it stands before the prompt of each row, and its end is marked for the cache. One
contract goes first and writes the guide to the cache. When it is answered, the others go, and read the guide at a tenth
of the price. The task ``count`` returns how many contracts need a lawyer, and what the cache saved.

``guide`` is what presidents told Congress about trusts and restraint of trade, from 1889 to 1914; give your own guide.
``contracts`` stands for your own source, such as ``rows="s3://lake/contracts/{{ ds }}/*.jsonl"``.

Needs the connection ``anthropic_default``. With the simulator behind it, it costs nothing; with a real key, the 1,000
rows cost about 20 cents if all but the first read the cache, and more than a dollar without ``prompt_cache``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import DAG, Param, task
from pydantic import BaseModel, Field

from anthropic_batches_provider.operators import MessageBatchOperator
from anthropic_batches_provider.sources import read_rows

GUIDE = Path(__file__).parent / "data" / "addresses" / "trusts-1889-1914.txt"
GOODS = ["oil", "tobacco", "sugar", "steel", "coal", "beef", "lumber", "paper", "copper", "salt"]
TERMS = [*(f"{years} years" for years in range(2, 11)), "as long as both parties trade"]
CLAUSES = [
    "buys {goods} from no other seller", "sells {goods} at no lower price than the seller names",
    "opens no works for {goods} in the same state", "gets back a tenth of the price of all {goods}",
    "shares the market for {goods} by counties", "pays for {goods} within thirty days",
    "may return {goods} that are not as described", "votes all shares of its {goods} company as a trustee says",
    "ships {goods} by one railroad, at a secret rate", "tells the seller each week what others ask for {goods}",
]  # fmt: skip


class Finding(BaseModel):
    """What is asked about each contract."""

    restrains_trade: bool
    passage: str = Field(description="The sentence of the guide that decides it")


def contracts(params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the contracts; the same rows each time."""
    for number, (term, clause, goods) in enumerate(islice(product(TERMS, CLAUSES, GOODS), params["contracts"])):
        yield {"contract_id": number, "text": f"For {term}, the buyer {clause.format(goods=goods)}."}


with DAG(
    "compare_contracts_to_guide",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 3},
    params={
        "output": Param("/tmp/anthropic_batches_examples", type="string", description="Folder or URI for the output"),
        "guide": Param(str(GUIDE), type="string", description="Path or URI of the guide"),
        "contracts": Param(1000, type="integer", minimum=1, maximum=1000, description="How many to compare"),
    },
    tags=["anthropic_batches", "example"],
    doc_md=__doc__,
) as dag:
    compare = MessageBatchOperator(
        task_id="compare",
        rows=contracts,
        key="contract_id",
        model="claude-haiku-5-5",
        shared_context="{{ params.guide }}",
        prompt_cache="1h",
        prompt="By the guide above, does this contract restrain trade?\n\n{{ row.text }}",
        output_schema=Finding,
        max_tokens=300,
        destination="{{ params.output }}/compare_contracts_to_guide/{{ run_id }}",
        max_failed_rows=0.01,
    )

    @task
    def count(manifest: dict[str, Any]) -> dict[str, Any]:
        """Count the contracts that need a lawyer, and return what the prompt cache did."""
        findings = [row["parsed"] for row in read_rows(manifest) if row["verdict"] == "fits"]
        restraining = sum(finding["restrains_trade"] for finding in findings)
        return {"restrain_trade": restraining, "prompt_cache": manifest["prompt_cache"]}

    count(compare.output)  # type: ignore[arg-type]
