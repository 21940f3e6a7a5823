"""A task that an earlier commit deferred resumes in Airflow, from the trigger and the method stored for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider import __version__
from tests.compatibility.conftest import KeptCase
from tests.compatibility.stored import Case, class_at, files_in, post, with_new_counts
from tests.dags.conftest import Run

RunDag = Callable[..., Run]

TOPICS = {"law", "peace", "trade"}


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of the parts that the manifest lists, in its order."""
    parts = json.loads((folder / "_manifest.json").read_text())["parts"]
    return [json.loads(line) for part in parts for line in (folder / part["name"]).read_text().splitlines()]


def check_labelled(rows: list[dict[str, Any]]) -> None:
    assert [(row["number"], row["year"]) for row in rows] == [(number, 1790 + number) for number in range(10)]
    assert {row["parsed"]["topic"] for row in rows} <= TOPICS


def batches_end(case: Case) -> None:
    """Let all submitted batches end an hour later, and all new batches at once."""
    case.control.advance_clock(3600)
    case.control.end_batches()
    case.control.change_settings(batch_duration=0)


@pytest.mark.parametrize("moment", ["deferred", "deferred_by_an_outage"])
def test_a_job_with_a_lost_answer_and_an_unsent_shard_comes_home_and_only_that_shard_is_sent(
    kept_case: KeptCase, run: RunDag, moment: str
) -> None:
    case = kept_case("in_doubt")
    batches_end(case)
    ran = run("kept_labels", case, moment, destination=str(case.folder / "elsewhere"))
    assert ran.state == "success"
    assert case.sent_since() == [2]
    case.check_each_row_billed_once(10)
    check_labelled(rows_in(case.out))
    assert not (case.folder / "elsewhere").exists()
    assert len(files_in(case.storage / "claims")) == 3
    assert ran.xcom("label") == ran.xcom("label", "manifest") == json.loads((case.out / "_manifest.json").read_text())
    assert set(case.kept("label", moment)["xcoms"]["progress"]) <= set(ran.xcom("label", "progress"))


def test_an_outage_that_began_more_than_a_day_ago_is_waited_out_no_longer(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("in_doubt")
    before = case.jobs()
    case.control.add_fault("any", "status", status=503, times=None)
    assert run("kept_labels", case, "deferred_by_an_outage").tasks == {"label": "failed"}
    assert case.jobs() == before
    assert set(case.control.received().calls) & {"cancel", "delete"} == set()
    assert case.sent_since() == []


@pytest.fixture
def memory() -> Iterator[Callable[[str, Path], Any]]:
    """Puts files under a URI in memory, which is the same in every process, and so part of what was stored."""
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    put = []

    def give(uri: str, files: Path) -> Any:
        folder = ObjectStoragePath(uri)
        put.append(folder)
        for name, content in files_in(files).items():
            (folder / name).write_bytes(content)
        return folder

    yield give
    for folder in put:
        folder.rmdir(recursive=True)


def test_a_second_round_is_collected_into_the_parts_it_belongs_to(
    kept_case: KeptCase, run: RunDag, memory: Callable[[str, Path], Any]
) -> None:
    case = kept_case("second_round")
    before = case.kept("label")["xcoms"]["manifest"]
    out = memory(before["destination"], case.out)
    batches_end(case)
    ran = run("kept_labels", case, "deferred", destination="{{ 1 / 0 }}")
    assert ran.state == "success"
    assert case.sent_since() == []
    case.check_each_row_billed_once(10)
    after = json.loads((out / "_manifest.json").read_text())
    contents = [(out / part["name"]).read_text() for part in after["parts"]]
    rows = [json.loads(line) for content in contents for line in content.splitlines()]
    check_labelled(rows)
    assert [row["batch_id"] for row in rows if row["number"] == 5] == case.batch_ids[-1:]
    assert {path.name for path in out.iterdir()} >= {part["name"] for part in after["parts"]}
    if before["provider_version"] == __version__:  # another version writes all parts again
        kept = [new["name"] == old["name"] for new, old in zip(after["parts"], before["parts"], strict=True)]
        assert kept == [True, False, True]


def test_a_job_that_took_anothers_place_comes_home_and_the_other_is_left_alone(
    kept_case: KeptCase, run: RunDag
) -> None:
    case = kept_case("replaced")
    abandoned, successor = sorted(case.jobs())
    before, billed = case.jobs()[abandoned], case.control.billing().rows_billed
    batches_end(case)
    assert run("kept_restart", case, "deferred", system="Be brief again.").state == "success"
    assert [row["number"] for row in rows_in(case.out)] == [0, 1, 2, 3]
    assert {row["batch_id"] for row in rows_in(case.out)} == {case.batch_ids[1]}
    assert case.sent_since() == []
    assert case.control.billing().max_times_billed == 1
    assert case.control.billing().rows_billed - billed == 4
    assert sorted(case.jobs()) == [abandoned, successor]
    assert case.jobs()[abandoned] == before


def test_a_task_that_was_deferred_with_a_job_that_was_replaced_meanwhile_does_nothing(
    kept_case: KeptCase, run: RunDag
) -> None:
    case = kept_case("replaced")
    before = case.jobs()
    batches_end(case)
    assert run("kept_restart", case, "deferred_before").tasks == {"label": "failed"}
    assert case.jobs() == before
    assert case.sent_since() == []
    assert not (case.out / "_manifest.json").exists()


def test_the_time_of_a_try_runs_on_from_its_first_stint(kept_case: KeptCase, run: RunDag) -> None:
    case = kept_case("timed")
    assert run("kept_timed", case, "deferred").tasks == {"label": "failed"}
    assert case.control.received().calls["cancel"] == 1
    assert case.sent_since() == []


def test_a_submitting_task_sends_the_rest_and_hands_all_to_the_tasks_behind_it(
    kept_case: KeptCase, run: RunDag
) -> None:
    case = kept_case("window")
    batches_end(case)
    ran = run("kept_steps", case, "deferred")
    assert ran.state == "success"
    assert case.sent_since() == [2]
    case.check_each_row_billed_once(5)  # one row was overloaded, which is not billed
    assert [row["number"] for row in rows_in(case.out)] == [0, 1, 2, 3, 4, 5]
    assert set(ran.xcom("submit")) == set(case.kept("submit", "ended", "collected")["xcoms"]["return_value"])


@pytest.mark.parametrize("moment", ["deferred", "started_in_triggerer"])
def test_a_sensor_sees_the_end_of_the_batches_and_the_stored_reference_leads_to_the_results(
    kept_case: KeptCase, run: RunDag, moment: str
) -> None:
    case = kept_case("waiting")
    batches_end(case)
    ran = run("kept_steps", case, moment)
    assert ran.state == "success"
    assert case.sent_since() == []
    case.check_each_row_billed_once(5)  # one row was overloaded, which is not billed
    assert ran.xcom("wait") == case.kept("wait", "ended", "collected")["xcoms"]["return_value"]
    assert ran.xcom("cancel") == {"canceled": [], "untouched": case.batch_ids}
    stored = case.kept("results", "ended", "collected")["xcoms"]["return_value"]
    unlike = {"times": None, "provider_version": None, "cost": None}
    stored["counts"] = with_new_counts(stored["counts"])
    stored |= {"verdicts": {"fits": stored["counts"]["succeeded"]}, "repairs": {}, "repair_errors": {}}
    stored |= {"output_schema": None, "table": None, "columns": [], "dead_letters": None, "prompt_cache": None}
    assert {**ran.xcom("results"), **unlike} == {**stored, **unlike}


@pytest.mark.parametrize("moment", ["deferred", None], ids=["resumed", "retried"])
@pytest.mark.parametrize(
    ("name", "sent"), [("piloted", [3, 1, 4, 2]), ("piloted_again", [1, 4, 2]), ("piloted_rest", [4, 2])]
)
def test_a_job_of_a_commit_that_knew_no_primers_goes_on_with_its_pilot(
    kept_case: KeptCase, run: RunDag, name: str, sent: list[int], moment: str | None
) -> None:
    """All rows of the pilot met an overload when it was sent first, so that it is sent twice."""
    case = kept_case(name)
    ((path, before),) = case.jobs().items()
    assert b'"pilots": 1' in before["sealed.json"]
    assert b"is_primer" not in before["sealed.json"]
    assert b"prompt_cache" not in before["sealed.json"]
    batches_end(case)
    assert run("kept_pilot", case, moment).state == "success"
    assert case.sent_since() == sent
    case.check_each_row_billed_once(10)
    assert [(row["number"], row["result_type"]) for row in rows_in(case.out)] == [(n, "succeeded") for n in range(10)]
    records = {file: content for file, content in before.items() if file.endswith(".json")}
    after = case.jobs()[path]
    assert records.items() <= after.items()
    outcomes = [json.loads(after[f"ledger/pilot-0{times}.json"])["outcome"] for times in (1, 2)]
    assert outcomes == ["nothing", "passed"]


async def test_a_watcher_of_an_asset_tells_what_has_ended_since_and_not_what_was_told(kept_case: KeptCase) -> None:
    case = kept_case("watched")
    stored = json.loads(case.deferred_file("watching").read_text())
    params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    new = post(case.server, "", {"requests": [{"custom_id": "new", "params": params}]})["id"]
    batches_end(case)

    trigger = class_at(stored["class_path"])(**stored["trigger_kwargs"])
    trigger.asset_state_store = AssetState(stored["asset_state"])
    async with aclosing(trigger.run()) as events:
        event = await anext(events)
    assert event.payload["batch_id"] == new
    assert set(event.payload) == set(stored["event"])


class AssetState:
    """The store that Airflow 3.3 gives an event trigger for the values of one asset."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self.kept = kept

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = value
