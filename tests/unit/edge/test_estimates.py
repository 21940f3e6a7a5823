"""What an estimate is told of the answers' length, and which arguments say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.estimates import UNKNOWN_OUTPUT, FromPilot, Share
from anthropic_batches_provider.batches.estimates.estimator import SAMPLE_ROWS
from anthropic_batches_provider.batches.ledger import JobFolder, PilotRecord, sent_pilots
from anthropic_batches_provider.edge.estimates import check_output_share, output_expectation
from anthropic_batches_provider.errors import ConfigurationError, JobNotFoundError
from anthropic_batches_provider.operators import MessageBatchEstimateOperator, MessageBatchSubmitOperator
from anthropic_batches_provider.operators.stints.estimating import DEFAULT_SAMPLE_ROWS, EstimateTerms
from tests.worlds.simulated_world import prepared, simulated_world

ASKED: dict[str, Any] = {"rows": [{"id": 1}], "prompt": "x", "model": "claude-haiku-5-5", "max_tokens": 5}
PILOT = PilotRecord(
    outcome="passed",
    rows=3,
    succeeded=3,
    verdicts={"ok": 2, "truncated": 1},
    output_tokens=(3, 5, 9),
    model="claude-haiku-5-5",
)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobFolder]:
    """Return a job whose pilot has three rows and is not answered yet."""
    with simulated_world(tmp_path) as world:
        yield world.sealed(replace(world.plan(), pilot=3), lambda: prepared(10))


def shown(job: JobFolder, record: PilotRecord) -> JobFolder:
    (pilot,) = sent_pilots(job.rounds())
    job.record_pilot(pilot, record)
    return job


def test_nothing_given_is_nothing_known() -> None:
    assert output_expectation(None, None) is UNKNOWN_OUTPUT
    assert output_expectation("", None) is UNKNOWN_OUTPUT  # of a template


def test_a_share_is_expected() -> None:
    assert output_expectation(None, 0.25) == Share(0.25)
    assert output_expectation(None, 1) == Share(1.0)


@pytest.mark.parametrize("share", [0, -0.1, 1.01, float("nan"), True, "0.5"])
def test_what_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(ConfigurationError, match="output_share= must be above 0 and at most 1"):
        check_output_share(share)
    with pytest.raises(ConfigurationError, match="output_share="):
        MessageBatchEstimateOperator(task_id="a", output_share=share, **ASKED)


@pytest.mark.parametrize("form", [lambda job: job.uri, lambda job: {"job": job.uri, "requests": 10}])
def test_an_earlier_jobs_pilot_shows_how_long_answers_are(job: JobFolder, form: Any) -> None:
    shown(job, PILOT)
    assert output_expectation(form(job), None) == FromPilot((3, 5, 9), "claude-haiku-5-5", job.uri, 1)


def test_a_pilot_of_several_models_names_none(job: JobFolder) -> None:
    shown(job, msgspec.structs.replace(PILOT, model=""))
    assert output_expectation(job.uri, None) == FromPilot((3, 5, 9), "", job.uri, 1)


def test_an_earlier_job_that_shows_nothing_is_an_error_that_says_what_does(job: JobFolder) -> None:
    with pytest.raises(ConfigurationError, match=r"has no pilot, or none that is judged yet\. .*output_share="):
        output_expectation(job.uri, None)
    shown(job, msgspec.structs.replace(PILOT, output_tokens=(3,)))
    with pytest.raises(ConfigurationError, match=r"says too little\. .*2 answers at least, not 1.*output_share="):
        output_expectation(job.uri, None)


def test_an_earlier_job_that_is_not_there_is_named(job: JobFolder) -> None:
    with pytest.raises(JobNotFoundError, match="job-0009"):
        output_expectation(job.uri.replace("job-0001", "job-0009"), None)
    with pytest.raises(ConfigurationError, match="names no job"):
        output_expectation("job-0001", None)


def test_both_are_refused_when_the_dag_is_parsed_and_in_the_run(job: JobFolder) -> None:
    with pytest.raises(ConfigurationError, match="both given"):
        MessageBatchEstimateOperator(task_id="a", earlier_job=job.uri, output_share=0.5, **ASKED)
    with pytest.raises(ConfigurationError, match="both given"):
        output_expectation(job.uri, 0.5)
    MessageBatchEstimateOperator(task_id="a", earlier_job="{{ params.job }}", output_share=0.5, **ASKED)


def test_mistakes_of_an_estimate_are_found_when_the_dag_is_parsed() -> None:
    for wrong, problem in (
        ({"dates": ["tomorrow"]}, "no date in ISO 8601"),
        ({"sample_rows": 1}, "sample_rows= must be a whole number, 2 or more"),
        ({"earlier_job": "job-0001"}, "names no job"),
        ({"prices": {"claude-haiku-5-5": {"input": "1"}}}, "`output` is missing"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            MessageBatchEstimateOperator(task_id="a", **ASKED, **wrong)
    MessageBatchEstimateOperator(task_id="a", dates="{{ params.dates }}", **ASKED)


def test_one_dict_of_arguments_serves_the_estimate_and_the_job() -> None:
    question = {**ASKED, "on_kill": "cancel", "unit": "u", "edition": "2", "pilot": 5, "storage": "/jobs"}
    for operator in (MessageBatchEstimateOperator, MessageBatchSubmitOperator):
        operator(task_id="a", **question)


def test_the_default_of_the_operator_is_that_of_the_engine() -> None:
    assert DEFAULT_SAMPLE_ROWS == SAMPLE_ROWS
    assert [
        EstimateTerms(output=UNKNOWN_OUTPUT, prices=None, sample_rows=50).sample_rows_of(jobs)
        for jobs in (1, 2, 4, 365)
    ] == [50, 50, 25, 5]
