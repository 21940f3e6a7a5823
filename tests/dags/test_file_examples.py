"""The example DAGs whose rows are whole files run, unchanged, on the simulator."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

EXAMPLES = ["summarize_articles", "tag_pictures", "review_code"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_body_of_each_is_at_most_25_lines(name: str) -> None:
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


def test_each_article_is_summarized(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("summarize_articles", {"output": str(tmp_path / "out")})
    assert run.tasks == {"summarize": "success"}
    (folder,) = (tmp_path / "out" / "summarize_articles").iterdir()
    articles = sorted((ROOT / "dags/data/articles").iterdir())
    rows = rows_in(folder)
    assert [(row["name"], row["size"]) for row in rows] == [(path.name, path.stat().st_size) for path in articles]
    assert all(row["text"] for row in rows)
    assert message_batch_simulator.control.billing().rows_billed == len(articles) == 3


def test_pictures_get_tags_and_one_that_is_none_is_too_many_of_five(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    answer = {"kind": "drawing", "tags": ["sky", "red"], "shows_people": False}
    message_batch_simulator.control.add_outcome("succeeded", contains="Tag this picture.", text=json.dumps(answer))
    run = dags.run("tag_pictures", {"output": str(tmp_path / "out")})
    assert run.tasks == {"tag": "success", "count": "success"}
    assert run.xcom("count") == {"sky": 4, "red": 4}
    (folder,) = (tmp_path / "out" / "tag_pictures").iterdir()
    assert [row["name"] for row in rows_in(folder)] == ["chessboard.png", "house.png", "sunset.png", "target.png"]

    (tmp_path / "pictures").mkdir()
    for picture in (ROOT / "dags/data/pictures").iterdir():
        (tmp_path / "pictures" / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    conf = {"output": str(tmp_path / "other"), "pictures": str(tmp_path / "pictures")}
    assert dags.run("tag_pictures", conf).tasks["tag"] == "failed"
    assert message_batch_simulator.control.billing().rows_billed == 4


def test_the_code_of_all_levels_is_reviewed_and_bugs_are_told(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    for name in ("a.py", "b/c.py", "b/d/e.py", "b/d/f/g.py", "b/d/f/h/too_deep.py", "b/notes.md", "b/__init__.py"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(f"print({name!r})")
    found = [{"line": 1, "severity": kind, "problem": f"a {kind}"} for kind in ("bug", "style")]
    control = message_batch_simulator.control
    control.add_outcome("succeeded", contains="print('b/c.py')", text=json.dumps({"findings": found}))
    control.add_outcome("succeeded", contains="print(", text=json.dumps({"findings": []}))
    run = dags.run("review_code", {"output": str(tmp_path / "out"), "repository": str(tmp_path / "code")})
    assert run.tasks == {"review": "success", "bugs": "success"}
    assert run.xcom("bugs") == [f"{tmp_path}/code/b/c.py:1: a bug"]
    (folder,) = (tmp_path / "out" / "review_code").iterdir()
    rows = rows_in(folder)
    assert [row["path"].removeprefix(f"{tmp_path}/code/") for row in rows] == [
        "a.py", "b/c.py", "b/d/e.py", "b/d/f/g.py"
    ]  # fmt: skip
    assert Counter(row["verdict"] for row in rows) == {"fits": 4}
