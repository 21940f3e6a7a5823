"""What the prompt cache of a job did is told by batch and by job, and is what the simulator billed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.collection import collect_batches, rows_for_xcom
from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage, PromptCacheRecord
from anthropic_batches_provider.batches.output.collection_settings import CollectionSettings
from anthropic_batches_provider.batches.output.destination import Destination
from anthropic_batches_provider.batches.output.manifest import Manifest, decode_manifest
from anthropic_batches_provider.batches.progress import JobProgress
from anthropic_batches_provider.batches.prompt_cache import CacheTtl
from anthropic_batches_provider.batches.prompt_cache.cache_gains import JobCacheGains
from anthropic_batches_provider.batches.requests.encoding import encode_arguments
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.batches.sharding import ShardLimits
from anthropic_batches_provider.batches.submission.cache_marking import MarkedRows
from anthropic_batches_provider.batches.submission.opening import JobOpener
from anthropic_batches_provider.batches.submission.sealing import seal_job
from tests.worlds.one_task_job import Arguments, KilledError, OneTask
from tests.worlds.simulated_world import HOUR, World

ROWS, ROWS_PER_SHARD, PREFIX = 24, 8, 1_000
PRIMED = 0.1 * ROWS + 1.9  # prefixes of plain input that the least possible costs: one write, and reads by all others
MODEL = "claude-haiku-5-5"
PLAIN = ROWS * PREFIX


def asking(ttl: CacheTtl | None = "1h", tokens: int = PREFIX, model: str = MODEL) -> Any:
    """Return the params of each row: all share a system prompt of so many tokens, at four characters each."""
    mark = {} if ttl is None else {"cache_control": {"type": "ephemeral", "ttl": ttl}}

    def params(number: int) -> dict[str, Any]:
        system = [{"type": "text", "text": "word" * tokens, **mark}]
        return {
            "model": model, "max_tokens": 99, "system": system,
            "messages": [{"role": "user", "content": f"contract {number}"}],
        }  # fmt: skip

    return params


@pytest.fixture
def task(world: World, tmp_path: Path) -> OneTask:
    """A task with three shards, each with a primer, whose batches take half an hour."""
    world.control.change_settings(batch_duration=1800.0)
    arguments = Arguments(rows=ROWS, rows_per_shard=ROWS_PER_SHARD, pilot="auto", params_of=asking())
    return OneTask(world, tmp_path, arguments)


def sealed(task: OneTask, ttl: CacheTtl = "1h", prefix_tokens: int | None = PREFIX) -> JobFolder:
    """Seal the task's job as one whose requests use the prompt cache; its stints go on with it."""
    asked, world = task.arguments, task.world
    spool = task.folder / f"seal-{asked.unit}"
    spool.mkdir()
    opener = JobOpener(
        world.storage, task._plan(), account=world.client.greet().account, service=world.client, clock=task._clock,
        spool_folder=spool,
    )  # fmt: skip

    def mark(rows: Iterable[PreparedRow | InvalidRow]) -> MarkedRows:
        return MarkedRows(iter(rows), PromptCacheRecord(ttl=ttl, prefix_tokens=prefix_tokens))

    assert asked.params_of is not None
    rows = [
        PreparedRow(number, b'{"key":%d}' % number, encode_arguments(asked.params_of(number)))
        for number in range(asked.rows)
    ]
    job = opener.open()
    limits = ShardLimits(max_requests=asked.rows_per_shard)
    seal_job(job, rows, limits=limits, spool_folder=spool, pilot=asked.pilot, mark=mark)
    return job


def finished(task: OneTask, **changes: Any) -> tuple[Manifest, JobCacheGains]:
    """Run the task to its end, and check what it tells against the bill."""
    manifest = task.finish(**changes)
    assert manifest.prompt_cache is not None
    check_told(task, manifest.prompt_cache)
    return manifest, manifest.prompt_cache


def check_told(task: OneTask, told: JobCacheGains) -> None:
    """Check that the tokens are those of the simulator's bill, by batch and together."""
    bill = task.world.control.billing()
    tokens = {
        batch.batch_id: (batch.tokens.cache_creation_input_tokens, batch.tokens.cache_read_input_tokens)
        for batch in bill.batches
    }
    assert {batch.batch_id: (batch.written_tokens, batch.read_tokens) for batch in told.batches} == tokens
    assert sum(batch.requests for batch in told.batches) == told.requests == bill.rows_billed
    assert told.written_tokens == bill.tokens.cache_creation_input_tokens
    assert told.read_tokens == bill.tokens.cache_read_input_tokens


def progress(task: OneTask) -> dict[str, Any]:
    """Return the figures of the cache as a process sees them that knows nothing but the ledger."""
    told = JobProgress.of(task.job(), now=task.world.clock().now()).as_dict()["prompt_cache"]
    assert isinstance(told, dict)
    return told


def dies(*_: Any) -> None:
    raise KilledError


def first_part(task: OneTask, **changes: Any) -> None:
    """Run the task until the first of its parts is written."""
    while not task.job().parts():
        outcome = task.stint(**changes)
        assert not isinstance(outcome, Manifest)
        if not task.job().parts():
            task.wait(outcome)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_a_primed_job_tells_one_write_and_reads_by_all_others(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sealed(task)
    _, told = finished(task)
    assert (told.requests, told.written_tokens, told.read_tokens) == (ROWS, PREFIX, (ROWS - 1) * PREFIX)
    assert told.hit_share == (ROWS - 1) / ROWS
    assert told.saved_tokens == round(PLAIN - PRIMED * PREFIX)
    assert (told.ttl, told.prefix_tokens, told.above_least_tokens) == ("1h", PREFIX, 0)
    assert [batch.written_tokens for batch in told.batches if batch.written_tokens] == [PREFIX]
    assert told.batches[0].written_tokens == PREFIX  # the first that was created
    assert warnings(caplog) == []
    lines = [record.message for record in caplog.records if "prompt cache:" in record.message]
    firsts = [state.batch.batch_id for state in task.job().shards()[:3] if state.batch is not None]
    assert [line.split()[0].rstrip(":") for line in lines] == firsts
    assert lines[1] == (
        f"{firsts[1]} and 1 other batch: prompt cache: 0 tokens written, 8,000 read (hit share 100.0%), 7,200 tokens "
        "of plain input saved (90.0%)"
    )
    assert (
        f"Prompt cache of {task.job().uri}: 1,000 tokens written, 23,000 read (hit share 95.8%), 19,700 tokens of "
        "plain input saved (82.0%); 0 more than the least possible"
    ) in caplog.messages


def test_requests_that_the_job_marks_itself_are_told_alike(task: OneTask) -> None:
    task.arguments = replace(task.arguments, params_of=asking(ttl=None), prompt_cache="1h")
    _, told = finished(task)
    assert (told.ttl, told.written_tokens, told.read_tokens) == ("1h", PREFIX, (ROWS - 1) * PREFIX)


def test_the_manifest_holds_the_same_of_the_job_and_of_each_batch_in_the_order_of_their_creation(task: OneTask) -> None:
    sealed(task)
    manifest, told = finished(task)
    content = (task.folder / "out/_manifest.json").read_bytes()
    assert decode_manifest(content).prompt_cache == told
    written = json.loads(content)["prompt_cache"]
    assert written == manifest.as_dict()["prompt_cache"]
    created = {batch.id: str(batch.created_at) for batch in task.world.client.list()}
    moments = [created.pop(batch["batch_id"]) for batch in written["batches"]]
    assert moments == sorted(moments)
    assert created == {}


def test_a_cold_job_says_once_that_its_cache_loses_while_it_runs(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.world.control.change_settings(warm_cache_hit_rate=0.0)
    task.arguments = replace(task.arguments, pilot=0, in_flight=ROWS_PER_SHARD)
    sealed(task)
    first_part(task)
    (warning,) = warnings(caplog)
    assert "costs more than no cache so far: 8,000 tokens written, 0 read (hit share 0.0%)" in warning
    assert "8,000 tokens of plain input lost (100.0%)" in warning
    assert "It was submitted with pilot=0, so that every batch is cold" in warning
    assert progress(task)["saved_tokens"] == -8_000
    _, told = finished(task)
    assert told.saved_tokens == -PLAIN
    assert told.above_least_tokens == round((ROWS - 1) * PREFIX * 1.9)
    assert warnings(caplog) == [warning]


@pytest.mark.parametrize(("rate", "ttl"), [(0.3, "1h"), (0.3, "5m"), (0.98, "1h")])
def test_hits_in_a_cold_batch_are_told_as_they_are_billed(
    task: OneTask, rate: float, ttl: CacheTtl, caplog: pytest.LogCaptureFixture
) -> None:
    task.world.control.change_settings(cache_hit_rate=rate, warm_cache_hit_rate=0.0)
    task.arguments = replace(task.arguments, pilot=0, rows_per_shard=ROWS, params_of=asking(ttl))
    sealed(task, ttl)
    _, told = finished(task)
    bill = task.world.control.billing().tokens
    write = {"1h": 2.0, "5m": 1.25}[ttl]
    paid = write * bill.cache_creation_input_tokens + 0.1 * bill.cache_read_input_tokens
    assert 0 < bill.cache_read_input_tokens < PLAIN
    assert told.saved_tokens == round(PLAIN - paid)
    assert told.above_least_tokens == round(paid - (write + 0.1 * (ROWS - 1)) * PREFIX)
    assert len(warnings(caplog)) == (paid > PLAIN)


def test_the_warning_comes_at_the_part_that_turns_the_job_to_a_loss_and_not_from_later_attempts(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.arguments = replace(task.arguments, rows_per_shard=4)
    sealed(task)
    first_part(task, in_flight=5)
    saved = [progress(task)["saved_tokens"]]
    while saved[-1] >= 0:
        assert warnings(caplog) == []
        task.world.control.advance_clock(2 * HOUR)  # now the entry is dead
        assert not isinstance(task.stint(pilot=0), Manifest)
        saved.append(progress(task)["saved_tokens"])
    assert len(saved) > 2
    (warning,) = warnings(caplog)
    assert "Check whether pilot=0 is set, which sends all batches without waiting for their primers." in warning
    task.world.control.advance_clock(2 * HOUR)
    task.stint()
    assert progress(task)["saved_tokens"] < saved[-1]
    finished(task)
    assert warnings(caplog) == [warning]


def test_a_process_that_is_killed_before_it_records_its_part_leaves_the_warning_to_the_next(
    task: OneTask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.arguments = replace(task.arguments, pilot=0)
    sealed(task)
    waiting = task.stint()
    assert not isinstance(waiting, Manifest)
    task.wait(waiting)
    monkeypatch.setattr(JobFolder, "record_part", dies)
    with pytest.raises(KilledError):
        task.stint()
    monkeypatch.undo()
    assert len(warnings(caplog)) == 1
    finished(task)
    assert len(warnings(caplog)) == 2


def test_a_part_in_which_few_rows_read_what_had_to_be_written_is_no_loss(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task.arguments = replace(task.arguments, rows=6, rows_per_shard=2)
    sealed(task)
    _, told = finished(task)
    first = next(line for line in caplog.messages if "prompt cache:" in line)
    assert "1,000 tokens written, 1,000 read (hit share 50.0%), 100 tokens of plain input lost (5.0%)" in first
    assert told.above_least_tokens == 0
    assert told.saved_tokens == round((6 - 0.1 * 6 - 1.9) * PREFIX)
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("counted_as", "said"),
    [
        (300, "Yours was counted as 300 tokens. Choose a model that caches shorter prefixes"),
        (600, "Yours was counted as 600 tokens. That is enough: ask Anthropic's support, with the id of a batch."),
        (None, "for claude-haiku-5-5. Choose a model that caches shorter prefixes, share more text, or leave out"),
    ],
)
def test_a_prefix_that_the_model_does_not_cache_is_named_once(
    task: OneTask, caplog: pytest.LogCaptureFixture, counted_as: int | None, said: str
) -> None:
    task.arguments = replace(task.arguments, params_of=asking(tokens=300))
    sealed(task, prefix_tokens=counted_as)
    _, told = finished(task)
    assert (told.requests, told.tokens, told.hit_share, told.saved_tokens) == (ROWS, 0, None, 0)
    (warning,) = warnings(caplog)
    assert "nothing was written to or read from the cache by its pilot" in warning
    assert "no prefix of fewer than 512 tokens for claude-haiku-5-5." in warning
    assert said in warning


def test_a_job_without_a_pilot_names_it_with_its_first_part(task: OneTask, caplog: pytest.LogCaptureFixture) -> None:
    task.arguments = replace(task.arguments, params_of=asking(tokens=300), pilot=0)
    sealed(task, prefix_tokens=300)
    finished(task)
    (warning,) = warnings(caplog)
    assert "nothing was written to or read from the cache by 8 answered requests" in warning
    assert "no prefix of fewer than 512 tokens for claude-haiku-5-5." in warning


def test_a_model_whose_cache_is_not_known_has_tokens_and_no_gain(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    task.world.control.change_settings(extra_models=["claude-novel-9"])
    task.arguments = replace(task.arguments, params_of=asking(model="claude-novel-9"))
    sealed(task)
    _, told = finished(task)
    assert told.written_tokens == PREFIX
    assert (told.saved_tokens, told.above_least_tokens) == (None, None)
    assert "saved tokens unknown" in caplog.text
    (warning,) = warnings(caplog)
    assert "does not know `claude-novel-9`. Its costs are unknown" in warning


def test_results_that_do_not_count_were_paid_for_and_are_told(task: OneTask) -> None:
    control = task.world.control
    control.add_outcome("max_tokens", text_matches=r"contract [39]$", first_submissions=1)
    control.add_outcome("errored", text_matches=r"contract 1\d$", error_type="api_error", first_submissions=1)
    control.add_outcome("refusal", text_matches=r"contract 5$")
    sealed(task)
    manifest, told = finished(
        task, max_failed_rows=ROWS, repair={"truncated": {"max_tokens": 200}, "refusal": {"model": "claude-sonnet-5-5"}}
    )
    assert manifest.repairs["truncated"].requests >= 2
    assert told.requests > ROWS
    assert set(manifest.usage) == {MODEL, "claude-sonnet-5-5"}
    assert sum(usage["requests"] for usage in manifest.usage.values()) == told.requests
    assert {**progress(task), "batches": None} == {**manifest.as_dict()["prompt_cache"], "batches": None}


def test_every_attempt_reports_the_same_progress_from_the_records_of_the_parts(task: OneTask) -> None:
    sealed(task)
    assert progress(task) == {
        "ttl": "1h", "prefix_tokens": PREFIX, "requests": 0, "written_tokens": 0, "read_tokens": 0, "hit_share": None,
        "saved_tokens": 0, "above_least_tokens": 0,
    }  # fmt: skip
    told = []
    while not isinstance(outcome := task.stint(in_flight=ROWS_PER_SHARD + 1), Manifest):
        told.append(progress(task))
        assert progress(task) == told[-1]
        task.wait(outcome)
    requests = [figures["requests"] for figures in told]
    assert requests == sorted(requests)
    assert set(requests) > {0, ROWS_PER_SHARD}
    manifest = outcome.as_dict()["prompt_cache"]
    assert progress(task) == {name: manifest[name] for name in progress(task)}


def test_a_part_that_was_written_for_two_destinations_or_again_counts_once(task: OneTask) -> None:
    task.world.control.add_outcome("errored", text_matches="contract 4$", error_type="api_error", first_submissions=1)
    sealed(task)
    finished(task)
    _, told = finished(task, destination="elsewhere")
    assert len(task.job().parts()) > 3
    assert progress(task)["requests"] == told.requests == ROWS


def test_rows_that_go_to_xcom_are_told_alike_and_a_loss_is_named_once(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.world.control.add_outcome("errored", text_matches="contract 4$", error_type="api_error", first_submissions=1)
    task.world.control.change_settings(warm_cache_hit_rate=0.0)
    task.arguments = replace(task.arguments, pilot=0, destination="xcom")
    sealed(task)
    _, told = finished(task)
    assert told.saved_tokens == -PLAIN
    assert len([line for line in warnings(caplog) if "costs more than no cache" in line]) == 1
    assert progress(task)["written_tokens"] == told.written_tokens == PLAIN


def test_a_job_whose_requests_are_not_marked_by_us_tells_nothing_and_keeps_nothing(
    task: OneTask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    manifest = task.finish(pilot=0)
    assert sum(sums["cache_creation_1h_input_tokens"] for sums in manifest.usage.values()) == PLAIN
    assert manifest.prompt_cache is None
    assert manifest.as_dict()["prompt_cache"] is None
    assert JobProgress.of(task.job(), now=task.world.clock().now()).prompt_cache is None
    assert [part.tally.cache for part in task.job().parts()] == [{}, {}, {}]
    assert "Prompt cache of" not in caplog.text
    assert "prompt cache:" not in caplog.text


def test_of_batches_that_belong_to_no_job_nothing_is_told(task: OneTask, tmp_path: Path) -> None:
    sealed(task)
    finished(task)
    ids = [batch.id for batch in task.world.client.list()]
    settings = CollectionSettings(spool_folder=tmp_path / "plain", clock=task._clock)
    destination = Destination(storage=LocalStorage(tmp_path / "of-others"), owner="others", output_format="jsonl")
    assert collect_batches(ids, task.world.client, destination, settings).prompt_cache is None
    in_memory = rows_for_xcom(ids, task.world.client, settings, max_bytes=1_000_000)
    assert in_memory.manifest.prompt_cache is None
