"""The hook, from an Airflow connection to the simulator and back."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact

from anthropic_batches_provider.batches.ledger import JobFolder, LocalStorage
from anthropic_batches_provider.errors import (
    ApiStatusError,
    BatchesNotEndedError,
    BatchNotFoundError,
    ConfigurationError,
    EmptyInputError,
    InvalidRowError,
    ResultsStreamError,
    ResultsUnavailableError,
)
from anthropic_batches_provider.hooks import MessageBatchHook
from tests.worlds.scripted_api import ENDED, Answer, scripted_api


def requests(count: int) -> list[dict[str, Any]]:
    return [
        {
            "custom_id": f"row-{number}",
            "params": {
                "model": "claude-haiku-4-5",
                "max_tokens": 16,
                "messages": [{"role": "user", "content": f"Passage {number}\u2028end"}],
            },
        }
        for number in range(count)
    ]


@pytest.fixture
def simulator(message_batch_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", message_batch_simulator.airflow_connection_json)
    message_batch_simulator.control.change_settings(batch_duration=3600.0)
    return message_batch_simulator


@pytest.fixture
def hook(simulator: Any) -> Iterator[MessageBatchHook]:
    hook = MessageBatchHook()
    yield hook
    hook.get_conn().close()


def test_the_whole_life_of_a_batch(hook: MessageBatchHook, simulator: Any) -> None:
    batch = hook.create_batch(iter(requests(5)), betas=["some-beta"])
    assert batch.request_counts.total == 5
    assert [listed.id for listed in hook.list_batches()] == [batch.id]
    with pytest.raises(BatchesNotEndedError, match=batch.id):
        list(hook.iter_results(batch.id))
    simulator.control.end_batches()
    assert hook.retrieve_batch(batch.id).has_ended
    results = list(hook.iter_results(batch.id))
    assert sorted(result["custom_id"] for result in results) == [f"row-{number}" for number in range(5)]
    assert {result["result"]["type"] for result in results} == {"succeeded"}
    hook.delete_batch(batch.id)
    with pytest.raises(BatchNotFoundError):
        hook.retrieve_batch(batch.id)
    assert len(simulator.control.received().creates) == 1


def test_a_wait_returns_the_batch_when_it_has_ended(hook: MessageBatchHook, simulator: Any) -> None:
    simulator.control.change_settings(batch_duration=0.3)
    batch = hook.create_batch(requests(2))
    simulator.control.add_fault("retrieve", "status", status=529, times=1)
    ended = hook.wait_for_batch(batch.id, poll_interval=0.1)
    assert (ended.id, ended.has_ended, ended.request_counts.succeeded) == (batch.id, True, 2)
    assert len(simulator.control.received().creates) == 1


def test_a_wait_that_takes_too_long_leaves_the_batch_running(hook: MessageBatchHook) -> None:
    batch = hook.create_batch(requests(1))
    with pytest.raises(BatchesNotEndedError, match="had not ended within 0:00:00") as caught:
        hook.wait_for_batch(batch.id, timeout=0.2, poll_interval=0.1)
    assert caught.value.batch_ids == (batch.id,)
    assert hook.retrieve_batch(batch.id).processing_status == "in_progress"


def test_a_wait_for_a_batch_that_is_not_there_ends_with_the_first_answer(
    hook: MessageBatchHook, simulator: Any
) -> None:
    with pytest.raises(BatchNotFoundError):
        hook.wait_for_batch("msgbatch_unknown")
    assert simulator.control.received().calls["retrieve"] == 1


@pytest.mark.parametrize("wrong", [{"poll_interval": 0}, {"poll_interval": float("nan")}, {"timeout": -1}])
def test_a_wait_refuses_times_that_cannot_be(hook: MessageBatchHook, simulator: Any, wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"{name}= must be"):
        hook.wait_for_batch("msgbatch_1", **wrong)
    assert "retrieve" not in simulator.control.received().calls


def test_the_snippet_of_the_docs_runs_whole(simulator: Any, capsys: pytest.CaptureFixture[str]) -> None:
    simulator.control.change_settings(batch_duration=0)
    page = (Path(__file__).parents[2] / "docs/hook.md").read_text()
    snippet = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102 - as a reader runs it
    names["hook"].get_conn().close()
    assert capsys.readouterr().out.splitlines()[-1] == "a succeeded"  # Airflow 3.0 writes its log there, too


def test_the_test_of_a_connection_finds_prices_of_no_use_and_clients_work_on(
    simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**simulator.airflow_connection, "extra": {"prices": {"claude-opus-5-5": {"input": 4}}}}
    monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(wrong))
    hook = MessageBatchHook()
    worked, message = hook.test_connection()
    assert not worked
    assert message.startswith("Connection anthropic_default: `prices` of its extra['claude-opus-5-5']: `output` ")
    assert list(hook.list_batches()) == []
    assert list(asyncio.run(hook.alist_batches())) == []
    hook.get_conn().close()


def test_the_job_of_a_batch_is_read_from_the_ledger(simulator: Any, tmp_path: Path) -> None:
    storage, hook = LocalStorage(tmp_path), MessageBatchHook()
    job = JobFolder(storage, "labels/submit/2026-11-21/-/job-0001")
    job.claims.claim("msgbatch_1", shard=0)
    assert hook.job_of("msgbatch_1", storage=storage.uri) == job.uri
    assert hook.job_of("msgbatch_2", storage=storage.uri) is None
    assert simulator.control.received().calls == {}


def test_the_job_of_a_batch_is_looked_for_in_the_configured_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", tmp_path.as_uri())
    job = JobFolder(LocalStorage(tmp_path), "labels/submit/2026-11-21/-/job-0001")
    job.claims.claim("msgbatch_1", shard=0)
    assert MessageBatchHook().job_of("msgbatch_1") == job.uri
    with pytest.raises(ConfigurationError, match="is not the id of a message batch"):
        MessageBatchHook().job_of("../claims")


def test_a_ledger_that_cannot_be_read_is_an_error_and_not_a_batch_of_nobody(tmp_path: Path) -> None:
    (tmp_path / "claims" / "msgbatch_1.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        MessageBatchHook().job_of("msgbatch_1", storage=tmp_path.as_uri())


def test_a_canceled_batch_keeps_a_result_for_each_request(hook: MessageBatchHook, simulator: Any) -> None:
    batch = hook.create_batch(requests(3))
    assert hook.cancel_batch(batch.id).processing_status in ("canceling", "ended")
    simulator.control.end_batches()
    assert len(list(hook.iter_results(batch.id))) == 3


def test_bad_requests_are_found_before_a_post(hook: MessageBatchHook, simulator: Any) -> None:
    with pytest.raises(InvalidRowError):
        hook.create_batch([*requests(2), *requests(1)])
    with pytest.raises(EmptyInputError):
        hook.create_batch([])
    assert simulator.control.received().creates == []


@pytest.mark.parametrize("action", ["drop_after_commit", "truncated_200", "html_200"])
def test_a_lost_answer_is_one_post_and_one_batch(hook: MessageBatchHook, simulator: Any, action: str) -> None:
    simulator.control.add_fault("create", action)
    with pytest.raises(Exception, match="A batch may have been created"):
        hook.create_batch(requests(2))
    assert len(simulator.control.received().creates) == 1
    assert len(list(hook.list_batches())) <= 1


def test_results_that_are_cut_are_an_error_and_can_be_read_again(hook: MessageBatchHook, simulator: Any) -> None:
    batch = hook.create_batch(requests(50))
    simulator.control.end_batches()
    simulator.control.add_fault("results", "cut_after_lines", lines=20)
    with pytest.raises(ResultsStreamError, match=batch.id):
        list(hook.iter_results(batch.id))
    assert len(list(hook.iter_results(batch.id))) == 50


def test_results_that_end_early_but_regularly_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_api() as api:
        connection = {"conn_type": "anthropic", "host": api.base_url, "password": "sk-ant-some-key"}
        monkeypatch.setenv("AIRFLOW_CONN_OFFICIAL", json.dumps(connection))
        api.answer(Answer(body=ENDED), Answer(body=b'{"custom_id":"a","result":{"type":"succeeded"}}\n'))
        hook = MessageBatchHook("official")
        with hook.get_conn(), pytest.raises(ResultsStreamError, match="1 line, but the batch holds 2 requests"):
            list(hook.iter_results("msgbatch_1"))


def test_archived_results_are_said_to_be_gone(hook: MessageBatchHook, simulator: Any) -> None:
    batch = hook.create_batch(requests(2))
    simulator.control.end_batches()
    simulator.control.archive_batches()
    with pytest.raises(ResultsUnavailableError, match="archived"):
        list(hook.iter_results(batch.id))


def test_a_list_of_many_batches_is_paged(hook: MessageBatchHook) -> None:
    made = [hook.create_batch(requests(1)).id for _ in range(5)]
    assert [batch.id for batch in hook.list_batches()] == made[::-1]
    assert [batch.id for batch in hook.list_batches(limit=2)] == made[:2:-1]


def test_tokens_and_models_are_asked_for(hook: MessageBatchHook) -> None:
    assert hook.count_tokens(requests(1)[0]["params"]) > 0
    assert any("haiku" in model["id"] for model in hook.list_models())


def test_the_async_twins_say_the_same_without_blocking_the_loop(hook: MessageBatchHook) -> None:
    batch = hook.create_batch(requests(1))

    async def watch() -> None:
        assert (await hook.aretrieve_batch(batch.id)).id == batch.id
        assert [listed.id for listed in await hook.alist_batches(limit=3)] == [batch.id]
        assert (await hook.acancel_batch(batch.id)).id == batch.id
        assert (await hook.await_for_batch(batch.id, poll_interval=0.1)).has_ended
        with pytest.raises(BatchNotFoundError):
            await hook.await_for_batch("msgbatch_unknown")

    asyncio.run(watch())


def test_nothing_blocks_the_loop(hook: MessageBatchHook, tmp_path: Any) -> None:
    blockbuster = pytest.importorskip("blockbuster")
    body = json.dumps({"requests": requests(2)}).encode()
    (tmp_path / "body").write_bytes(body)

    def chunks() -> Iterator[bytes]:
        with (tmp_path / "body").open("rb") as file:
            yield from file

    async def use() -> None:
        async with await hook.aclient() as client:
            batch = await client.create(chunks(), content_length=len(body))
            assert (await client.retrieve(batch.id)).id == batch.id
            with pytest.raises(BatchNotFoundError):
                async with client.results(batch.id):
                    pass

    with blockbuster.blockbuster_ctx():
        asyncio.run(use())


def test_testing_a_connection_names_the_account_and_not_the_key(
    hook: MessageBatchHook, simulator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    works, message = hook.test_connection()
    assert works
    assert simulator.base_url in message
    assert simulator.api_key not in message + caplog.text


def test_a_wrong_key_or_host_fails_the_test_of_a_connection(simulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, changed in {"wrong": {"password": "sk-ant-wrong-key"}, "nowhere": {"host": "http://127.0.0.1:9"}}.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps({**simulator.airflow_connection, **changed}))
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        works, message = MessageBatchHook(name).test_connection()
        assert not works
        assert "Check the" in message
        assert "sk-ant-wrong-key" not in message


def test_an_unended_batch_cannot_be_deleted(hook: MessageBatchHook) -> None:
    batch = hook.create_batch(requests(1))
    with pytest.raises(ApiStatusError) as caught:
        hook.delete_batch(batch.id)
    assert caught.value.status == 400


def test_a_key_read_from_the_extra_is_masked_by_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-ant-only-in-the-extra"
    extra = {
        "anthropic_client_kwargs": json.dumps({"api_key": key})
    }  # as text, so that Airflow's own masking does not see it
    monkeypatch.setenv("AIRFLOW_CONN_EXTRA", json.dumps({"conn_type": "anthropic", "extra": extra}))
    MessageBatchHook("extra").settings()
    assert key not in str(redact(f"the key is {key}"))


def test_the_sdk_is_first_imported_in_a_thread_of_an_event_loop(hook: MessageBatchHook) -> None:
    seen: list[str] = []

    async def build() -> None:
        async with await hook.aclient() as client:
            seen.append(client.settings.base_url)

    thread = threading.Thread(target=lambda: asyncio.run(build()))
    thread.start()
    thread.join()
    assert seen == [hook.settings().base_url]
