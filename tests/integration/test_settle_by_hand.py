"""The command that lets an operator settle what the service cannot prove."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_batches_provider.batches.ledger import Adopted, JobFolder, Void
from anthropic_batches_provider.batches.submission import NextLook
from anthropic_batches_provider.cli import main
from tests.worlds.simulated_world import HOUR, World, simulated_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with simulated_world(tmp_path) as world:
        connection = {"conn_type": "anthropic_batches", "host": world.server.base_url, "password": world.server.api_key}
        monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(connection))
        yield world


@pytest.fixture
def job(world: World) -> JobFolder:
    """Return a job of one shard whose create call made a batch and lost its answer."""
    job = world.job(rows=3)
    world.control.add_fault("create", "drop_after_commit")
    assert isinstance(world.advance(job), NextLook)
    return job


def outcome(job: JobFolder) -> object:
    recorded = job.shards()[0].attempts[0].outcome
    return recorded.outcome if recorded else None


def test_without_a_word_the_doubts_are_listed(job: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settle", job.uri]) == 0
    assert "1 unresolved create call of" in capsys.readouterr().out
    assert outcome(job) is None


def test_a_batch_is_adopted_by_hand_and_the_job_goes_on(world: World, job: JobFolder) -> None:
    batch_id = world.control.received().creates[0].batch_id or ""
    assert main(["settle", job.uri, "--adopt", batch_id]) == 0
    assert isinstance(outcome(job), Adopted)
    assert [batch.batch_id for batch in world.finish(job)] == [batch_id]
    world.check_each_row_billed_once(3)


@pytest.mark.parametrize("word", ["", "None", "../x"])
def test_a_word_that_is_no_id_is_refused_before_a_call(
    world: World, job: JobFolder, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    before = world.control.received().calls
    assert main(["settle", job.uri, "--adopt", word]) == 1
    assert f"error: --adopt holds {word!r}" in capsys.readouterr().err
    assert world.control.received().calls == before
    assert outcome(job) is None


def test_a_batch_that_cannot_be_it_is_refused(world: World, job: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    other = world.job(world.plan("other"), rows=2)
    small = world.finish(other)[0].batch_id
    stranger = world.finish(world.job(world.plan("third"), rows=3, text="third"))[0].batch_id
    for batch_id, reason in (
        (small, "it is another batch"),
        (stranger, "belongs to shard 0 of"),
        ("msgbatch_no", "404"),
    ):
        assert main(["settle", job.uri, "--adopt", batch_id]) == 1
        assert reason in capsys.readouterr().err
    assert outcome(job) is None


def test_none_is_taken_only_when_nothing_can_appear_any_more(
    world: World, job: JobFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settle", job.uri, "--none"]) == 1
    assert "could pay twice" in capsys.readouterr().err
    world.control.advance_clock(HOUR)
    assert main(["settle", job.uri, "--none"]) == 0
    assert isinstance(outcome(job), Void)


def test_a_job_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["settle", f"{tmp_path.as_uri()}/d/t/u/-/job-0001"]) == 1
    assert "There is no job at" in capsys.readouterr().err


def test_a_path_that_is_no_job_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["settle", str(tmp_path)]) == 1
    assert f"{tmp_path} is no URI of a job folder" in capsys.readouterr().err


def test_an_outcome_that_fits_no_single_call_is_refused(
    world: World, job: JobFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["settle", job.uri, "--none", "--shard", "7"]) == 1
    error = capsys.readouterr().err
    assert "1 unresolved create call of" in error
    assert "Name one with --shard. Nothing was recorded." in error
    batch_id = world.control.received().creates[0].batch_id or ""
    assert main(["settle", job.uri, "--adopt", batch_id]) == 0
    assert main(["settle", job.uri, "--adopt", batch_id]) == 1
    assert "0 unresolved create calls" in capsys.readouterr().err


def test_a_folder_that_no_job_can_have_is_named_by_the_command_and_not_as_an_argument_of_an_operator(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["settle", "file:///job-0001"]) == 1
    assert "file:///job-0001 is no URI of a job folder" in capsys.readouterr().err
