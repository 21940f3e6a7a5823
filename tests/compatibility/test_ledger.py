"""A task that starts again, by a retry or a clear, continues from a ledger that an earlier commit wrote."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.output.manifest import decode_manifest
from anthropic_batches_provider.sources import read_rows
from tests.compatibility.conftest import KeptCase
from tests.compatibility.stored import STORED, Case, cases, files_in, folder_of, with_new_counts
from tests.compatibility.test_going_on import RunDag, batches_end, check_labelled, rows_in


def manifest_in(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text())
    return manifest


def facts(case: Case) -> dict[str, bytes]:
    """Return the ledger's records; none is ever rewritten."""
    return {name: content for name, content in files_in(case.storage).items() if name.endswith(".json")}


def test_a_retry_goes_on_with_an_unfinished_job_whose_rows_are_gone(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("in_doubt")
    before = facts(case)
    (case.folder / "rows.jsonl").unlink()
    batches_end(case)
    assert run("kept_labels", case, destination=str(case.out)).state == "success"
    assert case.sent_since() == [2]
    case.check_each_row_billed_once(10)
    check_labelled(rows_in(case.out))
    assert len(case.jobs()) == 1
    assert before.items() <= facts(case).items()


def test_a_finished_job_is_collected_again_for_nothing_and_comes_out_the_same(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("finished")
    before, rows, manifest = facts(case), rows_in(case.out), manifest_in(case.out)
    ran = run("kept_labels", case, destination=str(case.out))
    assert ran.state == "success"
    assert case.sent_since() == []
    assert rows_in(case.out) == rows
    assert [row["number"] for row in rows if row["error_type"] == "invalid_request_error"] == [5]
    told = ("owner", "job", "destination", "output_format", "batch_ids", "counts", "stop_reasons", "errors", "usage")
    manifest["counts"] = with_new_counts(manifest["counts"])
    assert {name: ran.xcom("label")[name] for name in told} == {name: manifest[name] for name in told}
    assert set(manifest) <= set(ran.xcom("label"))
    assert len(case.jobs()) == 1
    assert before.items() <= facts(case).items()


@pytest.mark.parametrize("name", ["finished", "collected", "second_round"])
def test_a_stored_manifest_is_read_with_its_rows(name: str, tmp_path: Path) -> None:
    output = shutil.copytree(STORED / name / "files" / "out", tmp_path / "out")
    manifest = decode_manifest((output / "_manifest.json").read_bytes())
    assert (manifest.table, manifest.columns) == (None, ())
    rows = list(read_rows(output))
    assert [row["custom_id"] for row in rows] == [row["custom_id"] for row in rows_in(output)]
    assert len(rows) == manifest.counts.rows > 0
    assert list(read_rows({**manifest_in(output), "destination": str(output)})) == rows


def test_a_retry_collects_a_second_round_though_the_output_goes_elsewhere_by_now(
    kept_case: KeptCase, run: RunDag
) -> None:
    case = kept_case("second_round")
    before = facts(case)
    batches_end(case)
    assert run("kept_labels", case, destination=str(case.folder / "new")).state == "success"
    assert case.sent_since() == []
    case.check_each_row_billed_once(10)
    check_labelled(rows_in(case.folder / "new"))
    assert before.items() <= facts(case).items()


def test_results_are_collected_again_by_the_stored_reference(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("collected")
    rows = rows_in(case.out)
    ran = run("kept_steps", case, "ended")
    assert ran.state == "success"
    assert rows_in(case.out) == rows
    assert case.sent_since() == []
    before = case.kept("results", "ended")["xcoms"]["return_value"]["counts"]
    assert ran.xcom("results")["counts"] == with_new_counts(before)


def test_a_submitting_task_that_is_cleared_sends_the_failed_row_again_and_only_it(
    kept_case: KeptCase, run: RunDag
) -> None:
    case = kept_case("collected")
    before, rows = facts(case), rows_in(case.out)
    assert [row["number"] for row in rows if row["result_type"] == "errored"] == [2]
    case.control.change_settings(batch_duration=0)
    ran = run("kept_steps", case)
    assert ran.state == "success"
    assert case.sent_since() == [1]
    case.check_each_row_billed_once(6)
    assert [row for row in rows_in(case.out) if row["number"] != 2] == [row for row in rows if row["number"] != 2]
    assert {row["result_type"] for row in rows_in(case.out)} == {"succeeded"}
    stored = case.kept("submit", "ended")["xcoms"]["return_value"]
    assert {**ran.xcom("submit"), "batch_ids": ran.xcom("submit")["batch_ids"][:2]} == stored
    assert before.items() <= facts(case).items()


def test_every_way_to_ask_is_known_again_by_its_question_and_its_rows(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("questions")
    jobs = sorted(case.jobs())
    ran = run("kept_questions", case)
    assert ran.state == "success"
    assert case.sent_since() == []
    assert sorted(case.jobs()) == jobs
    for task_id in ("prompted", "built", "ready", "named", "decorated"):
        assert ran.xcom(task_id) == case.kept(task_id, "ended")["xcoms"]["return_value"]


@pytest.mark.parametrize("folder", cases())
def test_what_is_stored_names_no_place_of_the_machine_that_made_it(folder: str) -> None:
    for name, content in files_in(folder_of(folder)).items():
        assert re.search(rb'file:///|"/|127\.0\.0\.1', content) is None, name
