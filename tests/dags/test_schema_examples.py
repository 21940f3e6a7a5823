"""The example DAGs whose answers must fit a schema run, unchanged, on the simulator."""

from __future__ import annotations

import ast
import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

EXAMPLES = [
    "feedback_labels",
    "extract_measures",
    "branch_on_outcomes",
    "moderate_comments",
    "evaluate_eras",
    "compare_models",
    "classify_csv",
]


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
    assert run.tasks == {"label": "success", "summarize": "success", "bill": "success"}
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
    assert run.tasks == {"label": "failed", "summarize": "upstream_failed", "bill": "upstream_failed"}
    (folder,) = (tmp_path / "out" / "feedback_labels").iterdir()
    assert Counter(row["verdict"] for row in rows_in(folder)) == {"fits": 45, "invalid_output": 5}


def test_nested_json_becomes_a_table_with_a_line_for_each_measure(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    first, second = passages()[:2]
    money = {"amount": 4000.5, "currency": "USD"}
    named = {"stance": "proposes", "subject": "a mint, at Philadelphia", "money": money}
    two = {"summary": "A mint.", "measures": [named, named | {"stance": "reports", "money": None}]}
    other_currency = {**two, "measures": [named | {"money": {"amount": 1, "currency": "gold"}}]}
    control = message_batch_simulator.control
    control.add_outcome("fenced", contains=first["text"][:60], text=json.dumps(two))
    control.add_outcome("succeeded", contains=second["text"][:60], text=json.dumps(other_currency))
    run = dags.run("extract_measures", {"output": str(tmp_path / "out")})
    assert run.tasks == {"extract": "success", "flatten": "success"}
    (folder,) = (tmp_path / "out" / "extract_measures").iterdir()
    rows = rows_in(folder)
    assert [row["verdict"] for row in rows] == ["fits", "invalid_output"] + ["fits"] * 238
    assert rows[1]["error_message"].startswith("at $.measures[0].money.currency")
    lines = lines_of(folder / "measures.csv")
    assert lines[:2] == [
        {
            "passage_id": first["passage_id"], "year": "1790", "stance": "proposes",
            "subject": "a mint, at Philadelphia", "amount": "4000.5", "currency": "USD",
        },
        {
            "passage_id": first["passage_id"], "year": "1790", "stance": "reports",
            "subject": "a mint, at Philadelphia", "amount": "", "currency": "",
        },
    ]  # fmt: skip
    measures = [(row["passage_id"], each) for row in rows if row["parsed"] for each in row["parsed"]["measures"]]
    assert [(line["passage_id"], line["stance"]) for line in lines] == [(key, each["stance"]) for key, each in measures]
    assert run.xcom("flatten") == len(lines) == len(measures)


def test_each_kind_of_outcome_goes_to_its_own_task(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", contains="boils in two minutes", error_type="invalid_request_error")
    control.add_outcome("errored", contains="is an idiot", error_type="overloaded_error", times=3)
    control.add_outcome("errored", contains="Cheap watches", error_type="api_error", times=1)
    control.add_outcome("refusal", contains="pick the lock", category="cyber")
    control.add_outcome("invalid_output", contains="came off", times=1)
    control.add_outcome("max_tokens", contains="555-0142", times=1)
    run = dags.run("branch_on_outcomes", {"output": str(tmp_path / "out")})
    assert run.tasks == dict.fromkeys(
        ("label", "by_outcome", "store", "review", "correct", "send_again", "ask_larger_model"), "success"
    )
    (folder,) = (tmp_path / "out" / "branch_on_outcomes").iterdir()
    written = {
        name: [json.loads(line)["comment_id"] for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in ("store", "review", "correct")
    }
    assert written == {"store": [3, *range(7, 21)], "review": [5], "correct": [1]}
    again, larger = rows_in(folder / "send_again"), rows_in(folder / "ask_larger_model")
    assert [(row["comment_id"], row["verdict"], row["model"]) for row in again] == [(2, "fits", "claude-haiku-5-5")]
    assert [(row["comment_id"], row["verdict"], row["model"]) for row in larger] == [
        (4, "fits", "claude-opus-5-5"),
        (6, "fits", "claude-opus-5-5"),
    ]
    assert control.billing().rows_billed == 20 - 2 + 1 + 2, "without two errors; one sent again, two asked again"


def test_tasks_without_rows_are_skipped(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    message_batch_simulator.control.add_outcome("refusal", contains="poison")
    run = dags.run("branch_on_outcomes", {"output": str(tmp_path / "out")})
    skipped = dict.fromkeys(("correct", "send_again", "ask_larger_model"), "skipped")
    assert run.tasks == dict.fromkeys(("label", "by_outcome", "store", "review"), "success") | skipped
    assert (run.xcom("store"), run.xcom("review")) == (19, 1)


def test_refusals_are_a_class_beside_those_of_the_schema(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("refusal", contains="pick the lock", category="cyber")
    control.add_outcome("refusal", contains="strongest poison", category="bio")
    control.add_outcome("succeeded", contains="is an idiot", text='{"class": "insult", "quote": "an idiot"}')
    control.add_outcome("succeeded", contains="Cheap watches", text='{"class": "spam", "quote": "' + 81 * "x" + '"}')
    control.add_outcome("succeeded", text='{"class": "fine", "quote": ""}')
    run = dags.run("moderate_comments", {"output": str(tmp_path / "out")})
    assert run.tasks == {"moderate": "success", "decide": "success"}
    assert run.xcom("decide") == {"fine": 16, "insult": 1, "undecided": 1, "refused": 2}
    (folder,) = (tmp_path / "out" / "moderate_comments").iterdir()
    classes = {int(line["comment_id"]): line["class"] for line in lines_of(folder / "classes.csv")}
    unlike_others = {2: "insult", 3: "undecided", 5: "refused", 13: "refused"}
    assert classes == dict.fromkeys(range(1, 21), "fine") | unlike_others
    manifest = json.loads((folder / "_manifest.json").read_text())
    assert manifest["verdicts"] == {"fits": 17, "invalid_output": 1, "refusal": 2}


def test_refusals_are_no_failure_but_too_many_comments_without_a_class_are(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("invalid_output", contains="It hums")
    control.add_outcome("max_tokens", contains="strongest poison")
    control.add_outcome("errored", contains="Five stars", error_type="invalid_request_error")
    control.add_outcome("refusal", share=1.0)
    run = dags.run("moderate_comments", {"output": str(tmp_path / "out")})
    assert run.tasks == {"moderate": "success", "decide": "failed"}
    (folder,) = (tmp_path / "out" / "moderate_comments").iterdir()
    counted = Counter(line["class"] for line in lines_of(folder / "classes.csv"))
    assert counted == {"refused": 17, "undecided": 3}


def era_of(year: int) -> str:
    if year < 1861:
        return "1790-1829" if year < 1830 else "1830-1860"
    return "1861-1900" if year < 1901 else "1901-1933"


def test_accuracy_table_and_chart_are_those_of_the_answers(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    early = [each for each in passages() if each["year"] < 1830]
    for passage in early[:-1]:  # all but one of the first era are dated right
        control.add_outcome("succeeded", contains=passage["text"][:60], text='{"era": "1790-1829"}')
    control.add_outcome("refusal", contains=early[-1]["text"][:60])
    control.add_outcome("succeeded", contains="railroad", text='{"era": "1861-1900"}')
    control.add_outcome("invalid_output", contains="electricity")
    run = dags.run("evaluate_eras", {"output": str(tmp_path / "out")})
    assert run.tasks == {"guess": "success", "evaluate": "success"}
    (folder,) = (tmp_path / "out" / "evaluate_eras").iterdir()
    rows = rows_in(folder / "answers")
    answers = {row["passage_id"]: json.loads(row["text"])["era"] for row in rows if row["verdict"] == "fits"}
    pairs = [(era_of(each["year"]), answers.get(each["passage_id"], "none")) for each in passages()]
    eras = ["1790-1829", "1830-1860", "1861-1900", "1901-1933"]

    right = [known for known, answer in pairs if known == answer]
    assert run.xcom("evaluate") == len(right) / 240

    table = {line.pop("known"): line for line in lines_of(folder / "confusion.csv")}
    expected = {known: {answer: str(pairs.count((known, answer))) for answer in (*eras, "none")} for known in eras}
    assert table == expected
    assert table["1790-1829"] == {
        "1790-1829": str(len(early) - 1), "1830-1860": "0", "1861-1900": "0", "1901-1933": "0", "none": "1",
    }  # fmt: skip

    chart = ElementTree.parse(folder / "recall.svg").getroot()  # noqa: S314 - the DAG has just written it
    name_space = "{http://www.w3.org/2000/svg}"
    recalls = [right.count(era) / sum(known == era for known, _ in pairs) for era in eras]
    assert [float(bar.attrib["width"]) for bar in chart.iter(f"{name_space}rect")] == [
        round(300 * recall, 1) for recall in recalls
    ]
    texts = [text.text for text in chart.iter(f"{name_space}text")]
    assert texts[0] == f"Accuracy: {100 * len(right) / 240:.1f}%"
    assert texts[1::2] == eras
    assert texts[2::2] == [f"{100 * recall:.0f}%" for recall in recalls]


def test_two_models_answer_the_same_rows_side_by_side(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    refused = passages()[0]
    message_batch_simulator.control.add_outcome("refusal", contains=refused["text"][:60], times=1)
    run = dags.run("compare_models", {"output": str(tmp_path / "out")})
    assert run.state == "success"
    (folder,) = (tmp_path / "out" / "compare_models").iterdir()
    small, large = (rows_in(folder / f"map_index={index}") for index in range(2))
    assert {row["model"] for row in small} == {"claude-haiku-5-5"}, "one model a job, the small one first"
    assert {row["model"] for row in large} == {"claude-sonnet-5-5"}
    lines = lines_of(folder / "side_by_side.csv")
    assert [line["passage_id"] for line in lines] == [passage["passage_id"] for passage in passages()]
    for model, rows in (("claude-haiku-5-5", small), ("claude-sonnet-5-5", large)):
        told = [row["parsed"]["tone"] if row["verdict"] == "fits" else "(refusal)" for row in rows]
        assert [line[model] for line in lines] == told
    # The model that was asked first refused; Airflow runs mapped tasks in any order.
    assert [row["verdict"] for row in (*small, *large) if row["verdict"] != "fits"] == ["refusal"]
    assert "(refusal)" in lines[0].values()
    agreed = sum(one["parsed"] == two["parsed"] for one, two in zip(small, large, strict=True))
    assert 0 < agreed < 240
    assert run.xcom("compare") == {
        "agreement": agreed / 240,
        "output_tokens": {
            "claude-haiku-5-5": sum(row["usage"]["output_tokens"] for row in small),
            "claude-sonnet-5-5": sum(row["usage"]["output_tokens"] for row in large),
        },
    }
    assert message_batch_simulator.control.billing().rows_billed == 480


def test_the_tickets_of_a_csv_are_classified_and_counted(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("succeeded", contains="The tracking page", text='{"topic": "delivery", "urgent": true}')
    control.add_outcome("succeeded", contains="\nPhotos attached.", text='{"topic": "product", "urgent": false}')
    control.add_outcome("succeeded", text='{"topic": "other", "urgent": false}')
    run = dags.run("classify_csv", {"output": str(tmp_path / "out")})
    assert run.tasks == {"classify": "success", "count": "success"}
    (folder,) = (tmp_path / "out" / "classify_csv").iterdir()
    tickets = lines_of(ROOT / "dags/data/tickets.csv")
    rows = rows_in(folder)
    assert [(row["ticket_id"], row["received"]) for row in rows] == [
        (ticket["ticket_id"], ticket["received"]) for ticket in tickets
    ]
    topics = {row["ticket_id"]: row["parsed"]["topic"] for row in rows}
    assert (topics["T-0002"], topics["T-0004"]) == ("delivery", "product")
    assert run.xcom("count") == {"other": len(tickets) - 2, "delivery": 1, "product": 1}


def test_a_csv_of_other_tickets_is_classified_except_for_its_bad_rows(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    lines = [f"{number},2026-11-28,Lamp {number},It is dark." for number in range(200)]
    lines[100] = "100,2026-11-28,Lamp, it is dark, too."
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("\n".join(["ticket_id,received,subject,text", *lines]).encode()))
    run = dags.run("classify_csv", {"output": str(tmp_path / "out"), "tickets": f"{tmp_path}/*.csv.gz"})
    assert run.tasks == {"classify": "success", "count": "success"}
    (folder,) = (tmp_path / "out" / "classify_csv").iterdir()
    rows = rows_in(folder)
    assert [row["ticket_id"] for row in rows] == [None if n == 100 else str(n) for n in range(200)]
    assert rows[100]["result_type"] == "invalid_row"
    assert "line 102: 5 cells, but the header names 4 columns." in rows[100]["error_message"]
    assert message_batch_simulator.control.billing().rows_billed == 199
