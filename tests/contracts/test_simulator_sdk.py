"""The real SDK, over loopback, gets from the simulator the answers that it expects of the service."""

from typing import Any

import anthropic
import pytest

from anthropic_batches_provider.simulator import SimulatorControl, SimulatorServer

CLOSED = {"additionalProperties": False}


@pytest.fixture(scope="module")
def server() -> Any:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def control(server: SimulatorServer) -> Any:
    server.control.reset()
    return server.control


@pytest.fixture
def client(server: SimulatorServer, control: SimulatorControl) -> Any:
    with anthropic.Anthropic(api_key=server.api_key, base_url=server.base_url, max_retries=0) as client:
        yield client


def requests(count: int = 3, **params: Any) -> Any:
    usual = {"model": "claude-haiku-4-5", "max_tokens": 64}
    return [
        {"custom_id": f"r-{n}", "params": usual | {"messages": [{"role": "user", "content": f"Question {n}"}]} | params}
        for n in range(count)
    ]


def test_a_batch_is_created_ends_and_gives_its_results(client: Any, control: SimulatorControl) -> None:
    batch = client.messages.batches.create(requests=requests())
    assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 3)
    batch = client.messages.batches.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.succeeded) == ("ended", 3)
    rows = {row.custom_id: row.result for row in client.messages.batches.results(batch.id)}
    assert {name: result.type for name, result in rows.items()} == dict.fromkeys(("r-0", "r-1", "r-2"), "succeeded")
    assert rows["r-1"].message.content[0].text.endswith("to: Question 1")
    assert rows["r-1"].message.usage.service_tier == "batch"
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed) == (3, 1)


def test_compressed_results_are_the_same(client: Any, control: SimulatorControl) -> None:
    batch = client.messages.batches.create(requests=requests(50))
    plain = list(client.messages.batches.results(batch.id))
    control.change_settings(gzip_results=True)
    assert list(client.messages.batches.results(batch.id)) == plain


def test_a_list_is_paged_from_the_newest_without_gap_or_repeat(client: Any) -> None:
    made = [client.messages.batches.create(requests=requests(1)).id for _ in range(7)]
    assert [batch.id for batch in client.messages.batches.list(limit=3)] == made[::-1]
    first = client.messages.batches.list(limit=3)
    assert (first.has_more, first.first_id, first.last_id) == (True, made[6], made[4])
    older = client.messages.batches.list(limit=4, after_id=made[4])
    assert ([batch.id for batch in older.data], older.has_more) == ([made[3], made[2], made[1], made[0]], False)
    newer = client.messages.batches.list(limit=2, before_id=made[2])
    assert ([batch.id for batch in newer.data], newer.has_more) == ([made[4], made[3]], True)


def test_an_empty_list_has_no_cursors(client: Any) -> None:
    page = client.messages.batches.list()
    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], False, None, None)


@pytest.mark.parametrize(("limit", "says"), [(0, "greater than or equal to 1"), (1001, "less than or equal to 1000")])
def test_a_page_has_bounds(client: Any, limit: int, says: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=says):
        client.messages.batches.list(limit=limit)


def test_a_batch_is_canceled_and_deleted(client: Any, control: SimulatorControl) -> None:
    control.change_settings(batch_duration=60)
    batch = client.messages.batches.create(requests=requests())
    with pytest.raises(anthropic.BadRequestError, match="In progress batches cannot be deleted"):
        client.messages.batches.delete(batch.id)
    with pytest.raises(anthropic.AnthropicError, match=r"results_url|no available results"):
        client.messages.batches.results(batch.id)
    canceled = client.messages.batches.cancel(batch.id)
    assert (canceled.processing_status, canceled.cancel_initiated_at is None) == ("canceling", False)
    assert client.messages.batches.retrieve(batch.id).processing_status == "ended"
    assert {row.result.type for row in client.messages.batches.results(batch.id)} == {"canceled"}
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError, match=f"Message Batch {batch.id} not found."):
        client.messages.batches.retrieve(batch.id)


def test_workspaces_do_not_see_each_other(client: Any) -> None:
    batch = client.messages.batches.create(requests=requests(), extra_headers={"anthropic-workspace-id": "wrkspc_b"})
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)
    found = client.messages.batches.retrieve(batch.id, extra_headers={"anthropic-workspace-id": "wrkspc_b"})
    assert found.id == batch.id


def test_a_wrong_key_is_refused(server: SimulatorServer) -> None:
    with (
        anthropic.Anthropic(api_key="wrong", base_url=server.base_url, max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError, match="API key is invalid"),
    ):
        client.messages.batches.list()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (402, anthropic.APIStatusError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (408, anthropic.APIStatusError),
        (409, anthropic.ConflictError),
        (413, anthropic.APIStatusError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.APIStatusError),
        (504, anthropic.APIStatusError),
        (529, anthropic.APIStatusError),
    ],
)
def test_each_status_is_the_sdks_exception_and_makes_no_batch(
    client: Any, control: SimulatorControl, status: int, error: Any
) -> None:
    control.add_fault("create", "status", status=status)
    with pytest.raises(error) as caught:
        client.messages.batches.create(requests=requests())
    assert caught.value.status_code == status
    (create,) = control.received().creates
    assert (create.batch_id, create.status) == (None, status)


def test_the_spend_limit_has_its_code_and_no_hint(client: Any, control: SimulatorControl) -> None:
    control.add_fault("create", "status", status=429, error_code="enforced_spend_limit_reached")
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.batches.create(requests=requests())
    error: Any = caught.value.body
    assert error["error"]["details"]["error_code"] == "enforced_spend_limit_reached"
    assert "retry-after" not in caught.value.response.headers


def test_the_sdks_own_retry_after_a_lost_answer_is_a_second_batch(client: Any, control: SimulatorControl) -> None:
    """The provider must avoid this; the simulator reproduces it."""
    control.add_fault("create", "drop_after_commit")
    client.with_options(max_retries=1).messages.batches.create(requests=requests())
    assert control.received().batches_created == 2
    billing = control.billing()
    assert (billing.rows_billed, billing.max_times_billed, billing.repeated_requests) == (6, 2, 3)
    assert billing.repeated[0].custom_ids == ["r-0", "r-0"] or billing.repeated[0].times == 2


def test_rows_end_as_the_rules_say(client: Any, control: SimulatorControl) -> None:
    control.add_outcome("errored", custom_id="r-0", error_type="overloaded_error")
    control.add_outcome("expired", custom_id="r-1")
    control.add_outcome("refusal", custom_id="r-2", category="cyber")
    control.add_outcome("thinking", custom_id="r-3")
    batch = client.messages.batches.create(requests=requests(5))
    counts = client.messages.batches.retrieve(batch.id).request_counts
    assert (counts.succeeded, counts.errored, counts.expired) == (3, 1, 1)
    rows = {row.custom_id: row.result for row in client.messages.batches.results(batch.id)}
    assert rows["r-0"].error.error.type == "overloaded_error"
    assert rows["r-1"].type == "expired"
    assert (rows["r-2"].message.stop_reason, rows["r-2"].message.stop_details.category) == ("refusal", "cyber")
    assert [block.type for block in rows["r-3"].message.content] == ["thinking", "text"]
    assert control.billing().rows_billed == 3


def test_a_row_whose_schema_is_refused_is_errored_and_free(client: Any, control: SimulatorControl) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    rows = requests(2, output_config={"format": {"type": "json_schema", "schema": schema}})
    rows[1]["params"]["output_config"] = {"format": {"type": "json_schema", "schema": schema | CLOSED}}
    batch = client.messages.batches.create(requests=rows)
    counts = client.messages.batches.retrieve(batch.id).request_counts
    assert (counts.succeeded, counts.errored) == (1, 1)
    results = {row.custom_id: row.result for row in client.messages.batches.results(batch.id)}
    error = results["r-0"].error.error
    assert (error.type, error.message) == (
        "invalid_request_error",
        "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    )
    assert control.billing().rows_billed == 1


def test_a_missing_row_is_counted_but_not_given(client: Any, control: SimulatorControl) -> None:
    control.add_outcome("missing", times=1)
    batch = client.messages.batches.create(requests=requests(3))
    assert client.messages.batches.retrieve(batch.id).request_counts.succeeded == 3
    assert len(list(client.messages.batches.results(batch.id))) == 2


def test_models_are_listed_and_found(client: Any) -> None:
    models = {model.id for model in client.models.list(limit=1000)}
    assert "claude-haiku-5-5" in models
    assert "claude-3-opus-20240229" not in models
    assert client.models.retrieve("claude-opus-4-5").id == "claude-opus-4-5-20251101"
    assert client.models.retrieve("claude-haiku-5-5").display_name == "Claude Haiku 5.5"
    with pytest.raises(anthropic.NotFoundError, match="model: claude-nope"):
        client.models.retrieve("claude-nope")


def test_models_are_paged(client: Any) -> None:
    everything = [model.id for model in client.models.list(limit=1000)]
    assert [model.id for model in client.models.list(limit=4)] == everything
    newer = client.models.list(limit=2, before_id=everything[5])
    assert ([model.id for model in newer.data], newer.has_more) == (everything[3:5], True)


def test_tokens_are_counted_and_a_single_message_is_answered(client: Any) -> None:
    params = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x" * 400}]}
    assert client.messages.count_tokens(**params).input_tokens == 104
    message = client.messages.create(**params, max_tokens=64)
    assert (message.usage.input_tokens, message.usage.service_tier) == (104, "standard")


def test_params_faults_are_rows_and_refuse_a_single_message(client: Any) -> None:
    batch = client.messages.batches.create(requests=requests(1, model="claude-nope"))
    (row,) = client.messages.batches.results(batch.id)
    assert row.result.error.error.message == "model: claude-nope"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-nope", max_tokens=1, messages=[{"role": "user", "content": "x"}])
