"""The main job as a whole: at its full size, and with every failure that can occur on the way.

Each failure raises an error that says what to do, and a later run of the same unit completes without paying again.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.pauses import GrowingPause
from anthropic_batches_provider.batches.results import fetching
from anthropic_batches_provider.batches.submission import submission
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import ROOT, DagRunner, rows_in

CORPUS = ROOT.parent / "shared" / "data" / "sotu_passages_1790_1933.jsonl.gz"


@pytest.fixture
def conf(tmp_path: Path) -> dict[str, str]:
    """Return a run's conf: three rows to read, and a destination."""
    lines = (ROOT / "dags/data/sotu_passages.jsonl").read_text().splitlines()[:3]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    return {"rows": str(tmp_path / "rows.jsonl"), "destination": str(tmp_path / "out")}


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not next to the project")
def test_the_whole_corpus_goes_through_with_failures_mixed_in(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    control = message_batch_simulator.control
    control.add_outcome("errored", share=0.05, error_type="overloaded_error")
    control.add_outcome("expired", share=0.01)
    control.add_outcome("refusal", share=0.02)
    run = dags.run("main_job", {"rows": str(CORPUS), "destination": str(tmp_path / "out")})
    assert run.state == "success"
    with gzip.open(CORPUS) as lines:
        expected = [json.loads(line)["passage_id"] for line in lines]
    rows = rows_in(tmp_path / "out")
    assert [row["passage_id"] for row in rows] == expected
    assert len(expected) == 13_360

    manifest = json.loads((tmp_path / "out/_manifest.json").read_bytes())
    counts, billing = manifest["counts"], control.billing()
    assert counts["rows"] == sum(counts[kind] for kind in ("succeeded", "errored", "canceled", "expired", "missing"))
    assert counts["rows"] == 13_360
    assert counts["missing"] == counts["canceled"] == 0
    assert counts["errored"] == sum(row["error_type"] == "overloaded_error" for row in rows)
    assert 0.04 < counts["errored"] / 13_360 < 0.06
    assert 0.005 < counts["expired"] / 13_360 < 0.015
    assert manifest["stop_reasons"]["refusal"] == sum(row["stop_reason"] == "refusal" for row in rows) > 0
    assert len(manifest["parts"]) == 3
    assert len(manifest["batch_ids"]) == len(billing.batches) == 4, "a pilot has a batch of its own, and no part"
    assert (billing.rows_billed, billing.repeated_requests) == (counts["succeeded"], 0)


def check_one_billing_each(simulator: MessageBatchSimulator, rows: int) -> None:
    billing = simulator.control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (rows, 1)


def test_a_wrong_key_is_named_and_mending_it_completes(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = {**message_batch_simulator.airflow_connection, "password": "sk-ant-wrong-key"}
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(wrong))
    failed = dags.run("main_job", conf)
    assert failed.tasks["submit"] == "failed"
    assert message_batch_simulator.control.received().creates == []

    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    assert dags.run("main_job", conf).state == "success"
    check_one_billing_each(message_batch_simulator, 3)


def test_an_unknown_host_fails_and_mending_it_completes(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = {**message_batch_simulator.airflow_connection, "host": "http://no-such-host.invalid"}
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(lost))
    assert dags.run("main_job", conf).tasks["submit"] == "failed"

    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    assert dags.run("main_job", conf).state == "success"
    check_one_billing_each(message_batch_simulator, 3)


@pytest.mark.parametrize(
    "line",
    [
        '{"passage_id": "x", "year": 1',
        '["a list"]',
        '{"passage_id": "x", "text": "no year"}',
        '{"year": 1, "text": "no key"}',
    ],
)
def test_malformed_rows_fail_before_anything_is_sent_and_mending_them_completes(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str], line: str
) -> None:
    path = Path(conf["rows"])
    good = path.read_text()
    path.write_text(good + line + "\n")
    assert dags.run("main_job", conf).tasks["submit"] == "failed"
    assert message_batch_simulator.control.received().creates == []

    path.write_text(good)
    assert dags.run("main_job", conf).state == "success"
    check_one_billing_each(message_batch_simulator, 3)


def test_an_unwritable_destination_loses_nothing_and_mending_it_completes(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    destination = Path(conf["destination"])
    destination.write_text("a file where the folder should be")
    failed = dags.run("main_job", conf)
    assert (failed.tasks["wait"], failed.tasks["results"]) == ("success", "failed")

    destination.unlink()
    assert dags.run("main_job", conf).state == "success"
    assert len(rows_in(destination)) == 3
    assert len(message_batch_simulator.control.received().creates) == 1
    check_one_billing_each(message_batch_simulator, 3)


def test_a_results_stream_that_is_cut_once_is_fetched_again(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    message_batch_simulator.control.add_fault("results", "cut_after_lines", lines=1)
    assert dags.run("main_job", conf).state == "success"
    assert len(rows_in(Path(conf["destination"]))) == 3
    check_one_billing_each(message_batch_simulator, 3)


def test_a_results_stream_that_is_always_cut_publishes_nothing_and_a_later_run_completes(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "PAUSES_SECONDS", (0.1, 0.1, 0.1))
    message_batch_simulator.control.add_fault("results", "cut_after_lines", lines=1, times=None)
    assert dags.run("main_job", conf).tasks["results"] == "failed"
    assert rows_in(Path(conf["destination"])) == []

    message_batch_simulator.control.clear_faults()
    assert dags.run("main_job", conf).state == "success"
    assert len(rows_in(Path(conf["destination"]))) == 3
    check_one_billing_each(message_batch_simulator, 3)


@pytest.mark.parametrize(
    ("action", "options"),
    [
        ("drop_after_commit", {}),
        ("status_after_commit", {"status": 500}),
        ("status_after_commit", {"status": 504}),
        ("status_after_commit", {"status": 409}),
        ("truncated_200", {}),
        ("html_200", {}),
    ],
)
def test_a_lost_answer_is_settled_without_paying_twice(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    action: str,
    options: dict[str, Any],
) -> None:
    message_batch_simulator.control.add_fault("create", action, **options)
    assert dags.run("main_job", conf).state == "success"
    assert len(rows_in(Path(conf["destination"]))) == 3
    assert len(message_batch_simulator.control.received().creates) == 1
    check_one_billing_each(message_batch_simulator, 3)


def test_a_full_queue_is_waited_out(
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    conf: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submission, "QUEUE_FULL", GrowingPause(1.0, 600.0))
    message_batch_simulator.control.add_fault("create", "status", status=429, retry_after=1, times=2)
    assert dags.run("main_job", conf).state == "success"
    check_one_billing_each(message_batch_simulator, 3)


def test_changed_rows_of_a_finished_job_are_refused_until_a_new_edition_is_asked_for(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    assert dags.run("main_job", conf).state == "success"
    path = Path(conf["rows"])
    changed = path.read_text().replace("passage_id", "passage_id", 1).replace("Fellow", "Dear", 1)
    assert changed != path.read_text()
    path.write_text(changed)
    assert dags.run("main_job", conf).tasks["submit"] == "failed"
    check_one_billing_each(message_batch_simulator, 3)

    assert dags.run("main_job", {**conf, "edition": "2"}).state == "success"
    assert len(message_batch_simulator.control.received().creates) == 2
    assert message_batch_simulator.control.billing().rows_billed == 6


def test_rows_that_failed_go_again_when_the_run_is_cleared_and_only_they_are_paid(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, conf: dict[str, str]
) -> None:
    message_batch_simulator.control.add_outcome("errored", error_type="overloaded_error", times=1)
    first = dags.run("main_job", conf)
    assert first.tasks["results"] == "failed", "one of three rows is more than the tenth that is allowed to fail"
    assert [row["result_type"] for row in rows_in(Path(conf["destination"]))].count("succeeded") == 2
    again = dags.run("main_job", conf)
    assert again.state == "success"
    manifest = json.loads((Path(conf["destination"]) / "_manifest.json").read_bytes())
    assert manifest["counts"]["succeeded"] == 3
    assert [create.requests for create in message_batch_simulator.control.received().creates] == [3, 1]
    check_one_billing_each(message_batch_simulator, 3)
