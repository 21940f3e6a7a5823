"""The example DAGs whose answers must fit a schema run, unchanged, on the simulator."""

from __future__ import annotations

import ast
import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

EXAMPLES = ["feedback_labels"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_body_of_each_is_at_most_25_lines(name: str) -> None:
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def passages() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "dags/data/sotu_passages.jsonl").read_text().splitlines()]


def test_feedback_gets_typed_labels_and_what_does_not_fit_is_left_out(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    six_stars = {"sentiment": "positive", "keywords": [], "rating": 6}
    three_stars = {"sentiment": "mixed", "keywords": ["broken", "kind"], "rating": 3}
    control.add_outcome("succeeded", contains="The kettle broke at once", text=json.dumps(six_stars))
    control.add_outcome("max_tokens", contains="The toaster broke at once")
    control.add_outcome("succeeded", contains=" broke ", text=json.dumps(three_stars))
    run = dags.run("feedback_labels", {"output": str(tmp_path / "out"), "feedbacks": 300})
    assert run.tasks == {"label": "success", "summarize": "success"}
    (folder,) = (tmp_path / "out" / "feedback_labels").iterdir()
    rows = rows_in(folder)
    assert [row["feedback_id"] for row in rows] == list(range(300))
    assert [row["verdict"] for row in rows] == ["invalid_output", "truncated"] + ["fits"] * 298
    assert rows[0]["error_message"].startswith("at $.rating")
    labels = [row["parsed"] for row in rows if row["parsed"] is not None]
    summary = run.xcom("summarize")
    assert summary["sentiments"] == Counter(label["sentiment"] for label in labels)
    assert sum(summary["ratings"].values()) == sum(summary["sentiments"].values()) == 298
    assert set(summary["ratings"]) <= {"1", "2", "3", "4", "5"}
    broke = 3 * 10 - 2  # three times, ten products, without the two above
    assert (summary["keywords"]["broken"], summary["keywords"]["kind"]) == (broke, broke)
    assert summary["sentiments"]["mixed"] >= broke


def test_one_row_in_a_hundred_may_have_no_label_and_no_more(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("invalid_output", contains="The kettle")
    run = dags.run("feedback_labels", {"output": str(tmp_path / "out"), "feedbacks": 50})
    assert run.tasks == {"label": "failed", "summarize": "upstream_failed"}
    (folder,) = (tmp_path / "out" / "feedback_labels").iterdir()
    assert Counter(row["verdict"] for row in rows_in(folder)) == {"fits": 45, "invalid_output": 5}
