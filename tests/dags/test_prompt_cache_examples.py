"""The example DAGs that use the prompt cache run, unchanged, on the simulator; its bill shows what came of it."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

EXAMPLES = ["compare_contracts_to_guide", "questions_about_one_text", "price_of_a_prompt_cache"]
ADDRESSES = ROOT / "dags/data/addresses"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_body_of_each_is_at_most_25_lines(name: str) -> None:
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


def cached(rows: list[dict[str, Any]]) -> Counter[tuple[int, int]]:
    """Return how many rows wrote so many tokens to the cache, and read so many."""
    usages = (row["usage"] for row in rows)
    return Counter((each["cache_creation_input_tokens"], each["cache_read_input_tokens"]) for each in usages)


def check_one_write(rows: list[dict[str, Any]], *, least_tokens: int) -> int:
    """Check that one row wrote a prefix and that all others read it; return its tokens."""
    (written,) = (tokens for tokens, _ in cached(rows) if tokens)
    assert cached(rows) == {(written, 0): 1, (0, written): len(rows) - 1}
    assert written >= least_tokens
    return written


def test_a_thousand_contracts_read_the_guide_that_the_first_has_written(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    harmless = {"restrains_trade": False, "passage": "In the Standard Oil and Tobacco cases …"}
    control.add_outcome("succeeded", contains="pays for salt within thirty days", text=json.dumps(harmless))
    control.add_outcome("succeeded", text=json.dumps(harmless | {"restrains_trade": True}))
    run = dags.run("compare_contracts_to_guide", {"output": str(tmp_path / "out")})
    assert run.tasks == {"compare": "success", "count": "success"}
    (folder,) = (tmp_path / "out" / "compare_contracts_to_guide").iterdir()
    rows = rows_in(folder)
    assert [row["contract_id"] for row in rows] == list(range(1000))
    guide = check_one_write(rows, least_tokens=20_000)
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (1000, 1)
    assert (billing.tokens.cache_creation_input_tokens, billing.tokens.cache_read_input_tokens) == (guide, 999 * guide)
    assert [create.requests for create in control.received().creates] == [1, 997, 1, 1]
    of_salt = 10  # one for each term
    counted, least = run.xcom("count"), 2 * guide + 0.1 * 999 * guide
    assert counted["restrain_trade"] == 1000 - of_salt
    reported = {"ttl": "1h", "written_tokens": guide, "read_tokens": 999 * guide, "above_least_tokens": 0}
    assert reported.items() <= counted["prompt_cache"].items()
    assert counted["prompt_cache"]["saved_tokens"] == pytest.approx(1000 * guide - least, abs=1)


def test_questions_read_the_address_once_written_and_a_copy_of_it_pays_nothing_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    conf = {"output": str(tmp_path / "out")}
    assert dags.run("questions_about_one_text", conf).tasks == {"ask": "success"}
    (folder,) = (tmp_path / "out" / "questions_about_one_text").iterdir()
    rows = rows_in(folder)
    assert len({row["question"] for row in rows}) == len(rows) == 120
    address = check_one_write(rows, least_tokens=40_000)
    tokens = control.billing().tokens
    assert (tokens.cache_creation_input_tokens, tokens.cache_read_input_tokens) == (address, 119 * address)

    copied = tmp_path / "copied.txt"
    copied.write_bytes((ADDRESSES / "1907-theodore-roosevelt.txt").read_bytes())
    assert dags.run("questions_about_one_text", conf | {"text": str(copied)}).tasks == {"ask": "success"}
    assert control.billing().rows_billed == 120
    copied.write_text("Another text.")
    assert dags.run("questions_about_one_text", conf | {"text": str(copied)}).tasks == {"ask": "failed"}
    assert control.billing().rows_billed == 120


def test_a_cold_cache_costs_most_and_a_primed_one_least(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    run = dags.run("price_of_a_prompt_cache", {"output": str(tmp_path / "out")})
    assert set(run.tasks.values()) == {"success"}
    (folder,) = (tmp_path / "out" / "price_of_a_prompt_cache").iterdir()
    rows = {name: rows_in(folder / name) for name in ("without_cache", "cold_cache", "primed_cache")}
    count = len(rows["without_cache"])
    assert count == 52
    text = check_one_write(rows["primed_cache"], least_tokens=20_000)
    assert cached(rows["without_cache"]) == {(0, 0): count}
    ((written, read),) = cached(rows["cold_cache"])
    assert read == 0, "each row wrote the text"
    assert written == pytest.approx(text, abs=5), "the jobs' names are not equally long"

    plain = {name: sum(row["usage"]["input_tokens"] for row in found) for name, found in rows.items()}
    assert run.xcom("compare") == pytest.approx({
        "without_cache": plain["without_cache"],
        "cold_cache": plain["cold_cache"] + 2 * count * written,
        "primed_cache": plain["primed_cache"] + 2 * text + 0.1 * (count - 1) * text,
    })  # fmt: skip
    tokens = control.billing().tokens
    assert tokens.cache_creation_input_tokens == count * written + text
    assert tokens.cache_read_input_tokens == (count - 1) * text
    assert control.billing().rows_billed == 3 * count
