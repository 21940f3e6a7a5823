"""Rows that cannot be sent: the others go without them where that is allowed, and each has its place in the output."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from anthropic_batches_provider.batches.collection import rows_for_xcom
from anthropic_batches_provider.batches.output.failed_rows import check_failed_rows
from anthropic_batches_provider.errors import (
    ChangedInputError,
    CorruptLedgerError,
    EmptyInputError,
    FailedRowsError,
    InvalidRowError,
)
from tests.worlds.one_task_job import KilledError, OneTask, before_each, dies_at
from tests.worlds.simulated_world import World

# In shards of 4 requests: the first row, one between requests, all rows after a full shard, the last row.
INVALID = frozenset((0, 2, 6, 7, 11))
ALLOWED: dict[str, Any] = {"invalid": INVALID, "max_failed_rows": len(INVALID)}


def check_output(task: OneTask, world: World) -> None:
    rows = task.output()
    assert [row["key"] for row in rows] == list(range(12))
    assert {row["key"] for row in rows if row["result_type"] == "invalid_row"} == INVALID
    for row in rows:
        if row["key"] in INVALID:
            assert row["error_message"] == f"row {row['key']} is bad"
            assert (row["custom_id"], row["batch_id"], row["text"], row["usage"]) == (None, None, None, None)
        else:
            assert (row["result_type"], row["custom_id"].rpartition("-")[2]) == ("succeeded", str(row["key"]))
    assert world.control.billing().rows_billed == 7


def test_each_has_its_place_in_the_output_and_the_others_are_billed(world: World, task: OneTask) -> None:
    manifest = task.finish(**ALLOWED)
    check_output(task, world)
    assert (manifest.counts.rows, manifest.counts.succeeded, manifest.counts.invalid_row) == (12, 7, 5)
    assert manifest.error_examples == {"invalid_row": "row 0 is bad"}
    assert [create.requests for create in world.control.received().creates] == [4, 3]
    seal = task.job().first_seal()
    assert (seal.rows, seal.requests, [shard.rows for shard in seal.shards]) == (12, 7, [8, 4])


def test_they_are_judged_again_with_the_failed_rows_of_the_output(task: OneTask) -> None:
    manifest = task.finish(**ALLOWED)
    check_failed_rows(manifest, 5)
    with pytest.raises(FailedRowsError, match=r'5 of 12 rows.*5 invalid and never sent, e.g. "row 0 is bad"'):
        check_failed_rows(manifest, 4)


@pytest.mark.parametrize("limit", [4, 0, 0.41])
def test_more_than_allowed_send_nothing(world: World, task: OneTask, limit: float) -> None:
    with pytest.raises(InvalidRowError) as error:
        task.stint(invalid=INVALID, max_failed_rows=limit)
    first, *reasons = str(error.value).splitlines()
    assert first == (
        "5 of 12 rows cannot be sent. Correct them, or raise max_failed_rows "
        f"(now {limit!r}) to send the others alone. Nothing was sent."
    )
    assert reasons == [f"- row {number} is bad" for number in sorted(INVALID)]
    assert error.value.row_number == 0
    assert world.control.received().creates == []
    check_output_after_correction(task, world)


def check_output_after_correction(task: OneTask, world: World) -> None:
    manifest = task.finish(invalid=frozenset(), max_failed_rows=0)
    assert manifest.counts.succeeded == 12
    assert task.job().description().nonce in task.output()[0]["custom_id"], "it is the same job"
    assert world.control.billing().rows_billed == 12


def test_an_input_without_a_valid_row_is_an_error_whatever_is_allowed(world: World, task: OneTask) -> None:
    with pytest.raises(
        InvalidRowError,
        match=r"^All 12 rows cannot be sent\. Correct the rows, or the argument that [^.]*\. Nothing was sent\.",
    ) as error:
        task.stint(invalid=frozenset(range(12)), max_failed_rows=100)
    assert str(error.value).endswith("- row 9 is bad\n- … and 2 more")
    with pytest.raises(EmptyInputError):
        task.stint(rows=0, unit="empty")
    assert world.control.received().creates == []


def test_a_killed_attempt_goes_on_with_them(world: World, task: OneTask) -> None:
    with pytest.raises(KilledError), before_each(world.client, "create", dies_at(1)):
        task.stint(**ALLOWED)
    # A source that has changed since, and a lower limit, do not matter to what is sealed.
    task.finish(invalid=frozenset(), max_failed_rows=0)
    check_output(task, world)


def test_rows_that_failed_go_again_and_invalid_ones_never(world: World, task: OneTask) -> None:
    world.control.add_outcome("errored", text_matches="hello [18]$", error_type="overloaded_error", first_submissions=1)
    task.finish(**ALLOWED)
    check_output(task, world)
    assert [create.requests for create in world.control.received().creates] == [4, 3, 2]


def test_answers_are_collected_in_memory_too(world: World, task: OneTask) -> None:
    task.finish(**ALLOWED)
    settings = task.collection(task.job(), task.folder / "again")._settings
    collected = rows_for_xcom(task.job(), world.client, settings, max_bytes=100_000)
    assert collected.rows == task.output()


def test_a_row_that_is_corrected_is_a_changed_input(task: OneTask) -> None:
    task.finish(**ALLOWED, tries="one")
    assert task.finish(tries="two").counts.invalid_row == 5
    with pytest.raises(ChangedInputError):
        task.stint(invalid=INVALID - {2}, tries="three")


@pytest.mark.parametrize("may_be_invalid", [0, 1])
@pytest.mark.parametrize("on_changed_input", ["fail", "restart"])
def test_a_row_that_cannot_be_read_now_is_no_changed_input(
    world: World, task: OneTask, on_changed_input: Literal["fail", "restart"], may_be_invalid: int
) -> None:
    task.finish(tries="one")
    asked: dict[str, Any] = {"on_changed_input": on_changed_input, "max_failed_rows": may_be_invalid}
    with pytest.raises(InvalidRowError, match=r"^1 of 12 rows can be made no request.*stays as it is(?s:.)*row 3"):
        task.stint(tries="two", invalid=frozenset({3}), **asked)
    with pytest.raises(EmptyInputError, match=r"stays as it is"):
        task.stint(tries="three", rows=0, **asked)
    assert task.finish(tries="four", rows=12, invalid=frozenset(), **asked).counts.succeeded == 12
    assert not task.job().replacement.is_abandoned()
    world.check_each_row_billed_once(12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'[2,"row 2 is bad",{"key":2}]', b'{"key":2}'),
        (b'{"key":1}', b'[1,"row 1 is bad",{"key":1}]'),
        (b'[2,"row 2 is bad",{"key":2}]', b'[2,"row 2 is bad",{"key":2'),
        (b'[2,"row 2 is bad",{"key":2}]', b"[2]"),
    ],
)
def test_a_rows_file_with_other_invalid_rows_than_were_sealed_is_refused(
    world: World, task: OneTask, old: bytes, new: bytes
) -> None:
    task.stint(**ALLOWED)
    path = f"{task.job().path}/{task.job().first_seal().shards[0].rows_file}"
    content = world.storage.read(path)
    assert old in content
    local = task.folder / "changed"
    local.write_bytes(content.replace(old, new))
    world.storage.put_file(local, path)
    world.control.end_batches()
    with pytest.raises(CorruptLedgerError, match="exactly one JSON object per row"):
        task.finish()


def test_the_manifest_of_the_destination_counts_them(task: OneTask) -> None:
    task.finish(**ALLOWED)
    assert json.loads((task.folder / "out" / "_manifest.json").read_bytes())["counts"]["invalid_row"] == 5
