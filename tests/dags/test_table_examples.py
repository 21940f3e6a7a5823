"""The example DAGs whose answers become tables, or rows of further jobs, run unchanged on the simulator."""

from __future__ import annotations

import ast
import importlib.util
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pendulum
import pytest
from pyarrow import parquet

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

EXAMPLES = [
    "reviews_to_table",
    "product_attributes",
    "monthly_backfill",
    "chart_from_parquet",
    "daily_report",
    "clean_training_data",
    "correct_dead_letters",
    "load_bigquery",
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_body_of_each_is_at_most_25_lines(name: str) -> None:
    tree = ast.parse((ROOT / "dags" / f"{name}.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.With))
    assert (block.body[-1].end_lineno or 0) - block.body[0].lineno < 25


class Shop:
    """The database of the examples: a file of SQLite."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    @property
    def connection(self) -> str:
        return json.dumps({"conn_type": "sqlite", "host": str(self._file)})

    def rows(self, statement: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(statement)]
            connection.commit()
            return rows

    def run(self, script: str) -> None:
        with closing(sqlite3.connect(self._file)) as connection:
            connection.executescript(script)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop(tmp_path / "shop.db")
    for name in ("SHOP", "PRODUCTS"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", shop.connection)
    return shop


def test_reviews_become_rows_of_a_table_and_two_runs_share_it(
    dags: DagRunner, shop: Shop, message_batch_simulator: MessageBatchSimulator
) -> None:
    control = message_batch_simulator.control
    leaks = {"sentiment": "negative", "stars": 1, "topics": ["quality", "service"]}
    control.add_outcome("succeeded", contains="leaks at the base", text=json.dumps(leaks))
    assert dags.run("reviews_to_table").tasks == {"label": "success"}
    rows = shop.rows("SELECT * FROM review_labels ORDER BY CAST(review_id AS INTEGER)")
    assert [row["review_id"] for row in rows] == [str(number) for number in range(1, 13)]
    assert {row["sentiment"] for row in rows} <= {"positive", "neutral", "negative"}
    leaking = rows[4]
    assert (leaking["received"], leaking["product"], leaking["sentiment"]) == ("2026-02-02", "kettle", "negative")
    assert (leaking["verdict"], json.loads(leaking["topics"])) == ("fits", leaks["topics"])
    assert json.loads(leaking["answer"]) == leaks
    assert shop.rows("SELECT SUM(stars) AS all_stars FROM review_labels WHERE review_id = '5'") == [{"all_stars": 1}]
    assert not [name for name in leaking if name.startswith("usage")]
    dags.run("reviews_to_table", logical_date=pendulum.datetime(2026, 3, 15, tz="UTC"))
    units = shop.rows("SELECT anthropic_batches_unit AS unit, COUNT(*) AS n FROM review_labels GROUP BY 1 ORDER BY 1")
    assert [(row["unit"].split("/")[2][:10], row["n"]) for row in units] == [("2026-03-14", 12), ("2026-03-15", 12)]
    assert control.billing().rows_billed == 24


def test_products_of_a_table_get_attributes_in_another_and_a_later_run_replaces_them(
    dags: DagRunner, shop: Shop, message_batch_simulator: MessageBatchSimulator
) -> None:
    products = "".join(
        f"INSERT INTO products VALUES ({number}, 'Box', 'Number {number}.');" for number in range(6, 301)
    )
    shop.run((ROOT / "dags/data/products.sql").read_text() + products)
    control = message_batch_simulator.control
    control.add_outcome("succeeded", contains="Warm light", text='{"category": "light", "indoor": true, "grams": 700}')
    control.add_outcome("succeeded", text='{"category": "other", "indoor": false, "grams": null}')
    statement = "SELECT product_id, parsed_category, parsed_indoor, parsed_grams, verdict FROM product_attributes"
    days = [pendulum.datetime(2026, 3, day, tz="UTC") for day in (1, 2, 3)]

    assert dags.run("product_attributes", logical_date=days[0]).tasks == {"extract": "success"}
    rows = [tuple(row.values()) for row in shop.rows(f"{statement} ORDER BY product_id")]
    assert [row[0] for row in rows] == list(range(1, 301))
    assert rows[1:3] == [(2, "other", 0, None, "fits"), (3, "light", 1, 700, "fits")]
    units = shop.rows("SELECT DISTINCT anthropic_batches_unit AS unit FROM product_attributes")
    assert units == [{"unit": "product_attributes/extract/all products/-"}]

    assert dags.run("product_attributes", logical_date=days[1]).tasks == {"extract": "success"}
    assert control.billing().rows_billed == 300
    shop.run("DELETE FROM products WHERE product_id > 10")
    assert dags.run("product_attributes", logical_date=days[2]).tasks == {"extract": "success"}
    assert [row["product_id"] for row in shop.rows(f"{statement} ORDER BY product_id")] == list(range(1, 11))
    assert control.billing().rows_billed == 310


def test_a_month_that_is_cleared_is_loaded_again_for_nothing_and_others_are_left_alone(
    dags: DagRunner, shop: Shop, message_batch_simulator: MessageBatchSimulator
) -> None:
    first_days = [pendulum.datetime(2026, month, 1, tz="UTC") for month in (2, 3, 4)]
    for day in first_days:
        assert dags.run("monthly_backfill", logical_date=day).tasks == {"label": "success"}
    statement = "SELECT month, review_id, sentiment FROM monthly_labels ORDER BY CAST(review_id AS INTEGER)"
    before = shop.rows(statement)
    months = ["2026-01"] * 4 + ["2026-02"] * 4 + ["2026-03"] * 4
    assert [(row["month"], row["review_id"]) for row in before] == [(m, str(n + 1)) for n, m in enumerate(months)]

    shop.run("UPDATE monthly_labels SET sentiment = 'edited'; DELETE FROM monthly_labels WHERE review_id = '6'")
    assert dags.run("monthly_backfill", logical_date=first_days[1]).tasks == {"label": "success"}

    edited = [{**row, "sentiment": "edited"} for row in before]
    assert shop.rows(statement) == edited[:4] + before[4:8] + edited[8:]
    billing = message_batch_simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (12, 1)
    assert len(message_batch_simulator.control.received().creates) == 3


def test_another_run_of_a_month_replaces_its_rows_and_a_changed_month_is_paid_for_again(
    dags: DagRunner, shop: Shop, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    partition = tmp_path / "lake" / "month=2026-02"
    partition.mkdir(parents=True)
    header = "review_id,received,product,text\n"
    (partition / "a.csv").write_text(header + "1,2026-02-01,lamp,Dark.\n2,2026-02-02,lamp,Bright.\n")
    conf = {"lake": str(tmp_path / "lake")}
    days = [pendulum.datetime(2026, *day, tz="UTC") for day in ((3, 1), (2, 20), (3, 1), (4, 1))]
    control = message_batch_simulator.control

    for day in days[:2]:
        assert dags.run("monthly_backfill", conf, logical_date=day).tasks == {"label": "success"}
    assert len(shop.rows("SELECT * FROM monthly_labels")) == control.billing().rows_billed == 2
    (partition / "a.csv").write_text(header + "3,2026-02-03,lamp,Broken.\n")
    assert dags.run("monthly_backfill", conf, logical_date=days[2]).tasks == {"label": "success"}
    assert [row["review_id"] for row in shop.rows("SELECT * FROM monthly_labels")] == ["3"]
    assert control.billing().rows_billed == 3
    assert dags.run("monthly_backfill", conf, logical_date=days[3]).tasks == {"label": "failed"}
    assert (len(shop.rows("SELECT * FROM monthly_labels")), control.billing().rows_billed) == (1, 3)


def test_answers_in_parquet_are_aggregated_and_drawn(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("refusal", contains="Fellow-Citizens of the Senate and House of Representatives: In meeting")
    run = dags.run("chart_from_parquet", {"output": str(tmp_path / "out")})
    assert run.tasks == {"judge": "success", "draw": "success"}
    (folder,) = (tmp_path / "out" / "chart_from_parquet").iterdir()
    (part,) = folder.glob("part-*.parquet")
    table = parquet.read_table(part)
    assert [str(table.schema.field(name).type) for name in ("year", "parsed_tone")] == ["int64", "string"]
    expected: dict[str, Counter[str]] = {}
    for year, tone in zip(table["year"].to_pylist(), table["parsed_tone"].to_pylist(), strict=True):
        if tone is not None:
            expected.setdefault(f"{year // 10 * 10}s", Counter())[tone] += 1
    decades = run.xcom("draw")
    assert decades == expected
    assert list(decades) == sorted(decades)
    assert sum(sum(tones.values()) for tones in decades.values()) == 239
    assert control.billing().rows_billed == 240

    chart = ElementTree.fromstring((folder / "tones.svg").read_text())  # noqa: S314 - the DAG has just written it
    bars = [each for each in chart.iter() if each.tag.endswith("rect") and each.get("width") != "100%"]
    widths = [float(bar.get("width", "")) for bar in bars]
    assert len(widths) == 3 * len(decades)
    for first in range(0, len(widths), 3):
        assert sum(widths[first : first + 3]) == pytest.approx(360, abs=0.2)
    numbers = [each.text for each in chart.iter() if each.tag.endswith("text")]
    assert numbers[1:3] == ["1790s", str(sum(decades["1790s"].values()))]


def test_many_answers_become_one_report(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    for text, complaint in {"leaks at the base": "It leaks.", "smells of burned": "It smells."}.items():
        control.add_outcome("succeeded", contains=text, text=json.dumps({"complaint": complaint}))
    control.add_outcome("succeeded", contains="There were 2 complaints", text="Kettles leak and smell.")
    control.add_outcome("succeeded", text='{"complaint": null}')
    run = dags.run("daily_report", {"output": str(tmp_path / "out")})
    assert run.tasks == {"read": "success", "summarize": "success"}
    (report,) = run.xcom("summarize")
    assert (report["day"], report["number"], report["text"]) == ("2026-03-14", 2, "Kettles leak and smell.")
    assert [create.requests for create in control.received().creates] == [12, 1]
    assert control.billing().rows_billed == 13


def test_a_day_without_a_complaint_has_no_report(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("succeeded", text='{"complaint": null}')
    run = dags.run("daily_report", {"output": str(tmp_path / "out")})
    assert run.tasks == {"read": "success", "summarize": "skipped"}
    assert message_batch_simulator.control.billing().rows_billed == 12


def test_training_examples_without_a_problem_are_written_as_they_were(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    for text, problem in {"17 times 3": "wrong", "about rain": "empty", "Jane Roe": "personal_data"}.items():
        control.add_outcome("succeeded", contains=text, text=json.dumps({"problem": problem}))
    control.add_outcome("succeeded", text='{"problem": "none"}')
    run = dags.run("clean_training_data", {"output": str(tmp_path / "out")})
    assert run.tasks == {"judge": "success", "write_kept": "success"}
    assert run.xcom("write_kept") == {"none": 3, "wrong": 1, "empty": 1, "personal_data": 1}
    (folder,) = (tmp_path / "out" / "clean_training_data").iterdir()
    kept = [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]
    examples = [json.loads(line) for line in (ROOT / "dags/data/training_examples.jsonl").read_text().splitlines()]
    assert kept == [examples[0], examples[4], examples[5]]
    assert [list(row) for row in rows_in(folder / "judged")] == [[*example, "parsed"] for example in examples]


def test_an_example_without_an_answer_is_left_out(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    lines = (json.dumps({"example_id": number, "messages": [f"Hello {number}!"]}) for number in range(200))
    (tmp_path / "examples.jsonl").write_text("\n".join(lines))
    control = message_batch_simulator.control
    control.add_outcome("refusal", contains="Hello 7!")
    control.add_outcome("succeeded", text='{"problem": "none"}')
    conf = {"output": str(tmp_path / "out"), "examples": str(tmp_path / "examples.jsonl")}
    run = dags.run("clean_training_data", conf)
    assert run.xcom("write_kept") == {"none": 199, "no answer": 1}
    (folder,) = (tmp_path / "out" / "clean_training_data").iterdir()
    kept = [json.loads(line)["example_id"] for line in (folder / "kept.jsonl").read_text().splitlines()]
    assert kept == [number for number in range(200) if number != 7]


def test_without_the_provider_of_google_the_answers_are_written_and_not_loaded(dags: DagRunner) -> None:
    names = {task.task_id for task in dags.load("load_bigquery").tasks}
    has_google = importlib.util.find_spec("airflow.providers.google") is not None
    assert names == ({"label", "objects", "load"} if has_google else {"label"})


def test_answers_that_were_cut_off_are_asked_for_again_with_room_for_more(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    lines = (ROOT / "dags/data/sotu_passages.jsonl").read_text().splitlines()
    keys = [json.loads(line)["passage_id"] for line in lines if "treasury" in line]
    assert 0 < len(keys) < 240
    control.add_outcome("max_tokens", contains="treasury", max_tokens_below=1000)
    run = dags.run("correct_dead_letters", {"output": str(tmp_path / "out")})
    assert run.tasks == {"ask": "success", "again": "success"}
    (folder,) = (tmp_path / "out" / "correct_dead_letters").iterdir()
    cut_off = [row["passage_id"] for row in rows_in(folder) if row["verdict"] == "truncated"]
    again = rows_in(folder / "again")
    assert [row["key"] for row in again] == cut_off == keys
    assert {row["verdict"] for row in again} == {"fits"}
    assert {tuple(row["parsed"]) for row in again} == {("summary", "measures")}
    assert [create.requests for create in control.received().creates] == [240, len(keys)]


def test_without_dead_letters_nothing_is_sent_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    run = dags.run("correct_dead_letters", {"output": str(tmp_path / "out")})
    assert run.tasks == {"ask": "success", "again": "skipped"}
    assert message_batch_simulator.control.billing().rows_billed == 240
