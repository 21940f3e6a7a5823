"""The clients over HTTP: the requests that reach a server, and the results of its answers."""

from __future__ import annotations

import hashlib
import logging
import pickle
import resource
import traceback
from collections.abc import Iterator
from typing import Any

import anthropic
import msgspec
import pendulum
import pytest

from anthropic_batches_provider.batches.account import Account
from anthropic_batches_provider.batches.byte_lines import split_lines
from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient, calls, sightings
from anthropic_batches_provider.batches.create_answers import is_refusal
from anthropic_batches_provider.batches.limits import MAX_LIST_PAGES
from anthropic_batches_provider.errors import (
    ApiConnectionError,
    ApiStatusError,
    AuthenticationFailedError,
    BatchNotFoundError,
    ConfigurationError,
    MessageBatchesError,
    RateLimitedError,
    ResultsStreamError,
    SpendLimitReachedError,
    UnexpectedAnswerError,
)
from anthropic_batches_provider.operators.stints.tokens_with_betas import TokensWithBetas
from tests.worlds.blocking_client import BlockingClient
from tests.worlds.scripted_api import BATCH, ENDED, Answer, ScriptedApi, error_body, gzipped, scripted_api

KEY = "sk-ant-test-0123456789"
BODY = b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"b","params":{}}]}'


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with scripted_api() as api:
        yield api


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, api: ScriptedApi) -> BlockingClient:
    return BlockingClient(request.param, ClientSettings(api_key=KEY, base_url=api.base_url))


def create(client: BlockingClient) -> Any:
    return client.create([BODY[:10], BODY[10:]], content_length=len(BODY), betas=("beta-1", "beta-2"))


# ------------------------------------------------------------------------------------------------------------- create


def test_create_sends_one_post_with_the_bytes_it_was_given(client: BlockingClient, api: ScriptedApi) -> None:
    batch = create(client)
    assert batch.id == "msgbatch_1"
    (arrived,) = api.arrived
    assert (arrived.method, arrived.path, arrived.body) == ("POST", "/v1/messages/batches", BODY)
    assert arrived.headers["content-length"] == str(len(BODY))
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.headers["anthropic-beta"] == "beta-1,beta-2"
    assert "transfer-encoding" not in arrived.headers
    assert KEY in (arrived.headers.get("x-api-key"), arrived.headers.get("authorization", "").removeprefix("Bearer "))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(status=500, body=error_body("api_error", "oops")), ApiStatusError),
        (Answer(status=529, body=error_body("overloaded_error", "busy")), ApiStatusError),
        (
            Answer(status=429, body=error_body("rate_limit_error", "slow"), headers={"retry-after": "1"}),
            RateLimitedError,
        ),
        (Answer(status=408, body=b""), ApiStatusError),
        (Answer(drop=True), ApiConnectionError),
        (Answer(body=BATCH, cut_after=20), ApiConnectionError),
        (Answer(body=b"<html>welcome</html>"), UnexpectedAnswerError),
        (Answer(body=b'{"id": "msgbatch_1", "typ'), UnexpectedAnswerError),
        (Answer(body="msgbatch_1"), UnexpectedAnswerError),
        (Answer(body={}), UnexpectedAnswerError),
        (Answer(body={**BATCH, "id": ""}), UnexpectedAnswerError),
        (Answer(body=b"\xff\xfe"), UnexpectedAnswerError),
    ],
    ids=lambda value: None,
)
def test_create_posts_once_whatever_comes_back(
    client: BlockingClient, api: ScriptedApi, answer: Answer, error: type[MessageBatchesError]
) -> None:
    api.answer(answer)
    with pytest.raises(error) as caught:
        create(client)
    assert len(api.arrived) == 1
    assert client.pauses == []
    refused = isinstance(caught.value, RateLimitedError)
    assert ("No batch was created" in str(caught.value)) == refused
    assert ("A batch may have been created" in str(caught.value)) != refused


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_create_follows_no_redirect(client: BlockingClient, api: ScriptedApi, status: int) -> None:
    api.answer(Answer(status=status, headers={"location": f"{api.base_url}/elsewhere"}), Answer(body=BATCH))
    with pytest.raises(ApiStatusError, match="this provider follows no redirects") as caught:
        create(client)
    assert caught.value.status == status
    assert len(api.arrived) == 1


def test_no_other_call_takes_the_key_along_a_redirect(client: BlockingClient, api: ScriptedApi) -> None:
    with scripted_api() as elsewhere:
        api.answer(Answer(status=307, headers={"location": f"{elsewhere.base_url}/v1/messages/batches/x"}))
        with pytest.raises(ApiStatusError):
            client.retrieve("msgbatch_1")
        assert elsewhere.arrived == []


def test_the_sdks_own_client_takes_no_secret_header_along_a_redirect(api: ScriptedApi) -> None:
    headers = {"x-gateway-key": "secret"}
    settings = ClientSettings(api_key=KEY, base_url=api.base_url, client_kwargs={"default_headers": headers})
    with scripted_api() as elsewhere, MessageBatchClient(settings) as client:
        api.answer(Answer(status=307, headers={"location": f"{elsewhere.base_url}/v1/messages/batches/x"}))
        with pytest.raises(anthropic.APIStatusError):
            client.sdk.messages.batches.retrieve("msgbatch_1")
        assert elsewhere.arrived == []
    assert api.arrived[0].headers["x-gateway-key"] == "secret"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_create_that_gets_no_answer_in_time_posts_once_and_may_have_made_a_batch(kind: str, api: ScriptedApi) -> None:
    api.answer(Answer(body=BATCH, delay=1.0))
    settings = ClientSettings(api_key=KEY, base_url=api.base_url, client_kwargs={"timeout": {"read": 0.2}})
    with pytest.raises(ApiConnectionError) as caught:
        create(BlockingClient(kind, settings))
    assert caught.value.connected
    assert len(api.arrived) == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_connection_that_is_refused_has_made_no_batch(kind: str) -> None:
    client = BlockingClient(kind, ClientSettings(api_key=KEY, base_url="http://127.0.0.1:9"))
    with pytest.raises(ApiConnectionError, match="No batch was created") as caught:
        create(client)
    assert not caught.value.connected


def test_a_body_that_fails_midway_is_not_sent_to_its_end(client: BlockingClient, api: ScriptedApi) -> None:
    def broken() -> Iterator[bytes]:
        yield BODY[:10]
        raise OSError("the shard cannot be read")

    with pytest.raises(ApiConnectionError, match="the shard cannot be read") as caught:
        client.create(broken(), content_length=len(BODY))
    assert caught.value.connected


def test_a_64_mb_body_is_streamed_in_flat_memory(client: BlockingClient, api: ScriptedApi) -> None:
    chunk, chunks = b"x" * (1 << 20), 64
    create(client)  # the memory of the first call
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client.create((chunk for _ in range(chunks)), content_length=chunks << 20)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert api.arrived[-1].body_sha256 == hashlib.sha256(chunk * chunks).hexdigest()
    assert grown < 30_000  # KiB


# ------------------------------------------------------------------------------------------------------ errors, retries


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ApiStatusError), (401, AuthenticationFailedError), (402, SpendLimitReachedError),
        (403, AuthenticationFailedError), (404, BatchNotFoundError), (408, ApiStatusError), (409, ApiStatusError),
        (412, ApiStatusError), (413, ApiStatusError), (422, ApiStatusError), (429, RateLimitedError),
        (431, ApiStatusError), (499, ApiStatusError), (500, ApiStatusError), (501, ApiStatusError),
        (503, ApiStatusError), (504, ApiStatusError), (529, ApiStatusError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("html", [False, True])
def test_every_status_has_its_error(
    client: BlockingClient, api: ScriptedApi, status: int, error: type[ApiStatusError], html: bool
) -> None:
    body: Any = b"<html>gateway</html>" if html else error_body("some_error", "what the API says", error_code="a_code")
    api.answer(Answer(status=status, body=body, headers={"request-id": "req_9", "retry-after": "3"}))
    with pytest.raises(error) as caught:
        client.retrieve("msgbatch_1")
    mapped = caught.value
    assert type(mapped) is error
    assert mapped.__cause__ is not None
    assert (mapped.status, mapped.request_id, mapped.retry_after_seconds) == (status, "req_9", 3.0)
    assert (mapped.error_type, mapped.error_code) == ((None, None) if html else ("some_error", "a_code"))
    assert "msgbatch_1" in str(mapped)
    assert ("gateway" if html else "what the API says") in str(mapped)
    copy = pickle.loads(pickle.dumps(mapped))  # noqa: S301
    assert (type(copy), str(copy), copy.__dict__) == (error, str(mapped), mapped.__dict__)


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_a_spend_limit_is_no_rate_limit_and_is_not_retried(client: BlockingClient, api: ScriptedApi, code: str) -> None:
    api.answer(Answer(status=429, body=error_body("rate_limit_error", "limit", error_code=code)))
    with pytest.raises(SpendLimitReachedError, match="every retry fails until then"):
        client.retrieve("msgbatch_1")
    assert len(api.arrived) == 1


@pytest.mark.parametrize("failing", [Answer(status=500), Answer(status=529), Answer(status=429), Answer(drop=True)])
def test_calls_that_change_nothing_twice_are_repeated(
    client: BlockingClient, api: ScriptedApi, failing: Answer
) -> None:
    api.answer(failing, failing, Answer(body=BATCH))
    assert client.retrieve("msgbatch_1").id == "msgbatch_1"
    assert len(api.arrived) == 3
    assert 0.5 <= client.pauses[0] <= 0.7
    assert 1.0 <= client.pauses[1] <= 1.4


def test_calls_are_repeated_twice_at_most(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(status=500))
    with pytest.raises(ApiStatusError):
        client.cancel("msgbatch_1")
    assert len(api.arrived) == 3


def test_retry_after_is_obeyed_up_to_a_minute(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(status=429, headers={"retry-after": "60"}), Answer(body=BATCH))
    client.retrieve("msgbatch_1")
    assert 60 <= client.pauses[0] <= 75


@pytest.mark.parametrize("status", [429, 503])
def test_a_longer_retry_after_is_the_callers_to_wait_for(client: BlockingClient, api: ScriptedApi, status: int) -> None:
    api.answer(Answer(status=status, headers={"retry-after": "3600"}))
    with pytest.raises(ApiStatusError) as caught:
        client.retrieve("msgbatch_1")
    assert caught.value.retry_after_seconds == 3600
    assert client.pauses == []
    assert len(api.arrived) == 1


def test_a_repeated_delete_that_finds_nothing_has_done_its_work(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(drop=True), Answer(status=404, body=error_body("not_found_error", "not found")))
    client.delete("msgbatch_1")
    assert [arrived.method for arrived in api.arrived] == ["DELETE", "DELETE"]


def test_a_missing_model_is_no_missing_batch(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(status=404, body=error_body("not_found_error", "model: nope")))
    with pytest.raises(ApiStatusError) as caught:
        client.model("nope")
    assert type(caught.value) is ApiStatusError


# ---------------------------------------------------------------------------------------------------------- other calls


@pytest.mark.parametrize(
    "batch_id",
    [
        "", " ", ".", "..", "a/../b", "a?c", "a#d", "é", "a b", "a\n", "x" * 129, "..%2fmodels", "a%3Fb", "a\\b", "a;b",
        "None", "null", "nan", None, 7, "https://api.anthropic.com/v1/messages/batches/msgbatch_1",
    ],
)  # fmt: skip
def test_what_is_no_id_is_refused_before_a_call(client: BlockingClient, api: ScriptedApi, batch_id: Any) -> None:
    for method in ("retrieve", "cancel", "delete", "results"):
        with pytest.raises(ConfigurationError, match=r"^batch_id holds .* which is not the id of a message batch"):
            getattr(client, method)(batch_id)
    with pytest.raises(ConfigurationError, match=r"^batch_id holds"):
        sightings.look_at(batch_id)
    assert api.arrived == []


@pytest.mark.parametrize("batch_id", ["msgbatch_1", "batch-1.eu", "a..b", "-", "x" * 128])
def test_an_id_is_one_part_of_the_path_as_it_is(batch_id: str) -> None:
    assert calls.retrieve(batch_id).path == f"/v1/messages/batches/{batch_id}"
    assert calls.cancel(batch_id).path == f"/v1/messages/batches/{batch_id}/cancel"
    assert calls.results(batch_id).path == f"/v1/messages/batches/{batch_id}/results"


def test_ids_in_a_query_and_of_models_lead_nowhere_else(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body={"data": [], "has_more": False, "first_id": None, "last_id": None}), Answer(body={}))
    client.list_page(after_id="a&limit=9/../x")
    client.model("../x?y")
    assert [arrived.path for arrived in api.arrived] == [
        "/v1/messages/batches?limit=1000&after_id=a%26limit%3D9%2F..%2Fx",
        "/v1/models/..%2Fx%3Fy",
    ]
    for model in ("", " ", ".", "..", None):
        with pytest.raises(ConfigurationError, match="not a model id"):
            client.model(model)


def test_list_goes_through_all_pages(client: BlockingClient, api: ScriptedApi) -> None:
    first = {"data": [{**BATCH, "id": "c"}, {**BATCH, "id": "b"}], "has_more": True, "first_id": "c", "last_id": "b"}
    second = {"data": [{**BATCH, "id": "a"}], "has_more": False, "first_id": "a", "last_id": "a"}
    api.answer(Answer(body=first), Answer(body=second))
    assert [batch.id for batch in client.listed()] == ["c", "b", "a"]
    assert [arrived.path for arrived in api.arrived] == [
        "/v1/messages/batches?limit=1000",
        "/v1/messages/batches?limit=1000&after_id=b",
    ]


def test_list_stops_at_its_limit(client: BlockingClient, api: ScriptedApi) -> None:
    page = {"data": [{**BATCH, "id": "c"}, {**BATCH, "id": "b"}], "has_more": True, "first_id": "c", "last_id": "b"}
    api.answer(Answer(body=page))
    assert [batch.id for batch in client.listed(limit=2)] == ["c", "b"]
    assert client.listed(limit=0) == []
    assert len(api.arrived) == 1


def test_a_list_that_goes_in_circles_is_an_error(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body={"data": [BATCH], "has_more": True, "first_id": "a", "last_id": "a"}))
    with pytest.raises(UnexpectedAnswerError):
        client.listed()
    assert len(api.arrived) == 2


def test_an_empty_workspace_greets_with_account_and_time(client: BlockingClient, api: ScriptedApi) -> None:
    headers = {"anthropic-organization-id": "org_1", "anthropic-workspace-id": "wrkspc_1"}
    api.answer(Answer(body={"data": [], "has_more": False, "first_id": None, "last_id": None}, headers=headers))
    greeting = client.greet()
    account = greeting.account
    assert (account.base_url, account.organization_id, account.workspace_id) == (api.base_url, "org_1", "wrkspc_1")
    assert greeting.server_time.timezone_name == "UTC"
    assert greeting.server_time.microsecond == 0
    assert api.arrived[0].path == "/v1/messages/batches?limit=1"
    assert client.listed() == []


# ---------------------------------------------------------------------------------------------------- what watchers see


@pytest.fixture
def watching(api: ScriptedApi) -> BlockingClient:
    return BlockingClient("async", ClientSettings(api_key=KEY, base_url=api.base_url))


@pytest.mark.parametrize("body", [BATCH, ENDED, {**BATCH, "cancel_initiated_at": "2026-11-21T05:30:00+02:00"}])
def test_a_look_at_a_batch_sees_what_retrieving_it_gives(
    watching: BlockingClient, api: ScriptedApi, body: dict[str, Any]
) -> None:
    api.answer(Answer(body=body, headers={"retry-after": "10"}))
    look = watching.look_at("msgbatch_1")
    (sighting,) = look.sightings
    assert sighting.batch() == watching.retrieve("msgbatch_1")
    assert sighting == watching.look_at("msgbatch_1").sightings[0]
    assert sighting.has_ended is (body is ENDED)
    assert (look.retry_after_seconds, look.next_page) == (10.0, None)


def test_a_look_at_a_page_sees_up_to_a_thousand_batches_and_where_the_next_begins(
    watching: BlockingClient, api: ScriptedApi
) -> None:
    batches = [{**BATCH, "id": f"msgbatch_{number}"} for number in range(1000)]
    api.answer(Answer(body={"data": batches, "has_more": True, "first_id": "msgbatch_0", "last_id": "msgbatch_999"}))
    look = watching.look_at_page("msgbatch_before")
    assert [sighting.id for sighting in look.sightings] == [batch["id"] for batch in batches]
    assert look.next_page == "msgbatch_999"
    assert api.arrived[0].path == "/v1/messages/batches?limit=1000&after_id=msgbatch_before"
    api.answer(Answer(body={"data": [], "has_more": False, "first_id": None, "last_id": None}))
    assert watching.look_at_page().next_page is None


def test_a_status_that_is_not_known_yet_spoils_no_page_and_has_not_ended(
    watching: BlockingClient, api: ScriptedApi
) -> None:
    batches = [{**BATCH, "processing_status": "paused"}, {**ENDED, "id": "msgbatch_2"}]
    api.answer(Answer(body={"data": batches, "has_more": False, "first_id": "msgbatch_1", "last_id": "msgbatch_2"}))
    strange, ended = watching.look_at_page().sightings
    assert (strange.has_ended, strange.batch().processing_status) == (False, "paused")
    assert ended.has_ended


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not the API</html>",
        b"",
        {**BATCH, "id": "msgbatch_another"},
        {**BATCH, "id": ""},
        {**BATCH, "type": "message"},
    ],
)
def test_a_look_that_is_answered_by_something_else_is_an_error(
    watching: BlockingClient, api: ScriptedApi, body: Any
) -> None:
    api.answer(Answer(body=body, headers={"request-id": "req_7"}))
    with pytest.raises(UnexpectedAnswerError, match="Retrieving message batch msgbatch_1") as caught:
        watching.look_at("msgbatch_1")
    assert caught.value.request_id == "req_7"


COUNTS: Any = BATCH["request_counts"]
ODD: list[Any] = [
    {**BATCH, "processing_status": "queued"},
    {**BATCH, "processing_status": None},
    {**BATCH, "created_at": "2026-11-21T05:00:00"},
    {**BATCH, "created_at": None},
    {**BATCH, "request_counts": {"processing": 2}},
    {**BATCH, "request_counts": {**COUNTS, "processing": "2"}},
    {name: value for name, value in BATCH.items() if name in ("id", "type")},
]


@pytest.mark.parametrize("body", ODD)
def test_a_batch_of_which_something_is_new_or_missing_is_read_and_has_not_ended(
    client: BlockingClient, watching: BlockingClient, api: ScriptedApi, body: Any
) -> None:
    api.answer(Answer(body=body))
    assert not client.retrieve("msgbatch_1").has_ended
    (sighting,) = watching.look_at("msgbatch_1").sightings
    assert not sighting.has_ended
    assert sighting.batch() == client.retrieve("msgbatch_1")


@pytest.mark.parametrize("odd", [*ODD, {}, None, 5, {**BATCH, "id": "../x"}, {**BATCH, "id": 5}])
def test_an_odd_entry_hides_no_other_of_the_list(
    client: BlockingClient, watching: BlockingClient, api: ScriptedApi, odd: Any
) -> None:
    page = {"data": [{**BATCH, "id": "a"}, odd, {**BATCH, "id": "b"}], "has_more": False, "last_id": "b"}
    api.answer(Answer(body=page))
    listed = [batch.id for batch in client.listed()]
    assert [batch_id for batch_id in listed if batch_id in ("a", "b")] == ["a", "b"]
    sighted = [sighting.id for sighting in watching.look_at_page(None).sightings]
    assert [batch_id for batch_id in sighted if batch_id in ("a", "b")] == ["a", "b"]
    assert client.greet() is not None


@pytest.mark.parametrize("method", ["retrieve", "cancel"])
def test_an_answer_about_another_batch_is_an_error(client: BlockingClient, api: ScriptedApi, method: str) -> None:
    api.answer(Answer(body={**BATCH, "id": "msgbatch_another"}))
    with pytest.raises(UnexpectedAnswerError, match="is about msgbatch_another, not about msgbatch_1"):
        getattr(client, method)("msgbatch_1")


def test_a_list_that_goes_in_a_circle_ends_with_an_error(client: BlockingClient, api: ScriptedApi) -> None:
    circle = {"b": "c", "a": "b", "c": "a"}
    api.route = lambda arrived: Answer(
        body={"data": [], "has_more": True, "last_id": circle.get(arrived.path.rpartition("after_id=")[2], "a")}
    )
    with pytest.raises(UnexpectedAnswerError, match="The list does not end: after 4 pages it continues after a"):
        client.listed()


def test_a_list_without_an_end_is_left_after_so_many_pages(
    client: BlockingClient, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_LIST_PAGES == 1000
    monkeypatch.setattr(calls, "MAX_LIST_PAGES", 20)
    api.route = lambda arrived: Answer(body={"data": [], "has_more": True, "last_id": f"m{len(api.arrived)}"})
    with pytest.raises(UnexpectedAnswerError, match="The list does not end: after 21 pages"):
        client.listed()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"age": "30"}, 30),
        ({"age": "3600"}, 3600),
        ({"age": "3601"}, None),
        ({"age": "-5"}, None),
        ({"age": "9" * 30}, None),
        ({"age": "soon"}, None),
    ],
)
def test_the_services_time_is_known_only_from_an_answer_that_is_not_stale(
    headers: dict[str, str], seconds: int | None
) -> None:
    headers = {"date": "Sat, 21 Nov 2026 06:00:00 GMT", **headers}
    answer = calls.Answer(body=b"", headers=headers, account=Account(base_url="http://api"))
    expected = None if seconds is None else pendulum.datetime(2026, 11, 21, 6).add(seconds=seconds)
    assert calls.greeting_of(answer).server_time == expected


@pytest.mark.parametrize("body", [BATCH, [], {"data": [BATCH], "has_more": True, "last_id": None}])
def test_a_page_that_is_none_is_an_error(watching: BlockingClient, api: ScriptedApi, body: Any) -> None:
    api.answer(Answer(body=body))
    with pytest.raises(UnexpectedAnswerError, match="Listing message batches"):
        watching.look_at_page()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_workspace_is_named_in_each_call_and_stands_in_for_a_stripped_header(kind: str, api: ScriptedApi) -> None:
    api.answer(Answer(body={"data": [], "has_more": False}))
    client = BlockingClient(kind, ClientSettings(api_key=KEY, base_url=api.base_url, workspace_id="wrkspc_2"))
    assert client.greet().account.workspace_id == "wrkspc_2"
    assert api.arrived[0].headers["anthropic-workspace-id"] == "wrkspc_2"


def test_count_tokens_sends_only_what_counts(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body={"input_tokens": 7}))
    assert client.count_tokens({"model": "m", "messages": [], "max_tokens": 5, "temperature": 1}) == 7
    assert (
        api.arrived[0].body == b'{"model":"m","messages":[]}' or api.arrived[0].body == b'{"messages":[],"model":"m"}'
    )
    assert api.arrived[0].headers["content-type"] == "application/json"


def test_tokens_are_counted_under_the_betas_of_a_job(api: ScriptedApi) -> None:
    params = {"model": "m", "messages": [], "max_tokens": 5, "mcp_servers": [{"name": "wiki"}]}
    api.answer(*[Answer(body={"input_tokens": 7})] * 2)
    with MessageBatchClient(ClientSettings(api_key=KEY, base_url=api.base_url)) as client:
        assert TokensWithBetas(client, ("mcp-client-1", "files-api-1")).count_tokens(params) == 7
        assert TokensWithBetas(client, ()).count_tokens(params) == 7
    under_betas, without = api.arrived
    assert under_betas.headers["anthropic-beta"] == "mcp-client-1,files-api-1"
    assert msgspec.json.decode(under_betas.body) == {name: params[name] for name in params if name != "max_tokens"}
    assert "anthropic-beta" not in without.headers
    assert msgspec.json.decode(without.body) == {"model": "m", "messages": []}


def test_models_come_from_all_pages(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(
        Answer(body={"data": [{"id": "m1"}], "has_more": True, "last_id": "m1"}),
        Answer(body={"data": [{"id": "m2"}], "has_more": False, "last_id": "m2"}),
    )
    assert [model["id"] for model in client.models()] == ["m1", "m2"]


# -------------------------------------------------------------------------------------------------------------- results


def line(number: int, text: str = "") -> bytes:
    return f'{{"custom_id":"{number}","result":{{"type":"succeeded","text":"{text}"}}}}\n'.encode()


def test_results_are_fetched_by_path_under_the_base_url(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body=line(1) + line(2), headers={"content-type": "application/x-jsonl"}))
    assert client.results("msgbatch_1") == line(1) + line(2)
    assert api.arrived[0].path == "/v1/messages/batches/msgbatch_1/results"
    assert api.arrived[0].headers["accept"] == "application/binary"
    assert KEY in api.arrived[0].headers.get("x-api-key", "") + api.arrived[0].headers.get("authorization", "")


def test_results_may_hold_other_line_separators_than_line_feeds(client: BlockingClient, api: ScriptedApi) -> None:
    lines = [line(1, "a\u2028b\u2029c\x85d"), line(2, "é")]
    api.answer(Answer(body=b"".join(lines)))
    assert [found + b"\n" for found in split_lines([client.results("msgbatch_1")])] == lines


def test_gzipped_results_are_unpacked(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body=gzipped([line(1)]), headers={"content-encoding": "gzip"}))
    assert client.results("msgbatch_1") == line(1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=line(1) * 1000, cut_after=20_000),
        Answer(body=b"no gzip at all", headers={"content-encoding": "gzip"}),
    ],
)
def test_results_that_break_off_are_an_error(client: BlockingClient, api: ScriptedApi, answer: Answer) -> None:
    api.answer(answer)
    with pytest.raises(ResultsStreamError, match="msgbatch_1 broke off after") as caught:
        client.results("msgbatch_1")
    assert caught.value.__cause__ is not None


def test_an_html_page_in_place_of_results_is_an_error(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body=b"<html></html>", headers={"content-type": "text/html"}))
    with pytest.raises(UnexpectedAnswerError, match="HTML"):
        client.results("msgbatch_1")


def test_results_before_the_end_are_not_found(client: BlockingClient, api: ScriptedApi) -> None:
    said = "Message Batch msgbatch_1 has no available results."
    api.answer(Answer(status=404, body=error_body("not_found_error", said)))
    with pytest.raises(BatchNotFoundError, match="no available results"):
        client.results("msgbatch_1")


def test_opening_results_is_repeated(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(status=500), Answer(body=line(1)))
    assert client.results("msgbatch_1") == line(1)


def test_64_mb_of_results_are_read_in_flat_memory(client: BlockingClient, api: ScriptedApi) -> None:
    api.answer(Answer(body=line(1)))
    client.results("msgbatch_1")
    total = 0

    def count(chunk: bytes) -> None:
        nonlocal total
        total += len(chunk)

    block = b"y" * (1 << 18)
    api.route = lambda arrived: Answer(body=(block for _ in range(256)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client.results("msgbatch_1", into=count)
    assert total == 64 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB


# --------------------------------------------------------------------------------------------- credentials and secrets


@pytest.fixture
def leaky_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ANTHROPIC_API_KEY": "sk-leaked-api-key",
        "ANTHROPIC_AUTH_TOKEN": "leaked-auth-token",
        "ANTHROPIC_PROFILE": "leaked-profile",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/leaked",
        "ANTHROPIC_WORKSPACE_ID": "leaked-workspace",
        "ANTHROPIC_ORGANIZATION_ID": "leaked-organization",
        "ANTHROPIC_FEDERATION_RULE_ID": "leaked-rule",
        "ANTHROPIC_IDENTITY_TOKEN": "leaked-identity",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Leaked: leaked\nAuthorization: Bearer leaked\nx-api-key: leaked\n"
        "anthropic-workspace-id: leaked\nUser-Agent: leaked",
    }.items():
        monkeypatch.setenv(name, value)


def test_a_host_that_cannot_be_called_is_named_before_a_call() -> None:
    with pytest.raises(ConfigurationError, match=r"^The connection's host https://1\.2\.3\.999 is not a URL"):
        MessageBatchClient(ClientSettings(api_key=KEY, base_url="https://1.2.3.999"))


@pytest.mark.usefixtures("leaky_environment")
def test_nothing_of_the_environment_reaches_a_request(client: BlockingClient, api: ScriptedApi) -> None:
    client.retrieve("msgbatch_1")
    create(client)
    for arrived in api.arrived:
        assert "leaked" not in repr(arrived)
        assert "traceparent" not in arrived.headers
        assert [value for value in arrived.headers.values() if KEY in value] in ([KEY], [f"Bearer {KEY}"])


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_environments_key_is_used_when_the_connection_asks_for_it(
    kind: str, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-from-environment")
    BlockingClient(kind, ClientSettings(credentials="environment", base_url=api.base_url)).retrieve("msgbatch_1")
    assert "sk-from-environment" in repr(api.arrived[0].headers)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_environment_without_credentials_is_refused_before_a_call(
    kind: str, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="finds no credential there"):
        BlockingClient(kind, ClientSettings(credentials="environment", base_url=api.base_url)).retrieve("msgbatch_1")
    assert api.arrived == []


def identity(path: Any) -> dict[str, str]:
    return {
        "identity_token_file": str(path),
        "federation_rule_id": "rule",
        "organization_id": "org",
        "workspace_id": "wrkspc_3",
    }


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.usefixtures("leaky_environment")
def test_workload_identity_is_exchanged_and_nothing_else_is_sent(kind: str, api: ScriptedApi, tmp_path: Any) -> None:
    (tmp_path / "token").write_text("jwt")
    token = Answer(body={"access_token": "exchanged", "expires_in": 600, "token_type": "Bearer"})
    page = Answer(body={"data": [], "has_more": False})
    api.route = lambda arrived: token if arrived.path == "/v1/oauth/token" else page
    settings = ClientSettings(workload_identity=identity(tmp_path / "token"), base_url=api.base_url)
    assert BlockingClient(kind, settings).greet().account.workspace_id == "wrkspc_3"
    assert [arrived.path for arrived in api.arrived] == ["/v1/oauth/token", "/v1/messages/batches?limit=1"]
    assert api.arrived[1].headers["authorization"] == "Bearer exchanged"
    assert "leaked" not in repr(api.arrived)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationFailedError), (500, ApiConnectionError)])
def test_a_failed_exchange_has_made_no_batch(
    kind: str, api: ScriptedApi, tmp_path: Any, status: int, error: type[MessageBatchesError]
) -> None:
    (tmp_path / "token").write_text("jwt")
    api.answer(Answer(status=status, body={"error": "invalid_grant"}))
    settings = ClientSettings(workload_identity=identity(tmp_path / "token"), base_url=api.base_url)
    with pytest.raises(error, match="No batch was created") as caught:
        create(BlockingClient(kind, settings))
    assert getattr(caught.value, "connected", False) is False
    assert {arrived.path for arrived in api.arrived} == {"/v1/oauth/token"}


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("refreshed", [200, 401], ids=["a new token is available", "it is refused"])
def test_a_create_call_that_got_a_401_is_not_sent_again_with_a_new_identity_token(
    kind: str, api: ScriptedApi, tmp_path: Any, refreshed: int
) -> None:
    """The SDK would: after a 401 it exchanges the token anew and repeats the call, which may have made a batch."""
    (tmp_path / "token").write_text("jwt")
    token = {"access_token": "exchanged", "expires_in": 600, "token_type": "Bearer"}
    exchanges = [Answer(body=token), Answer(status=refreshed, body=token if refreshed == 200 else None)]
    page = Answer(status=401, body=b"<html>Log in</html>", headers={"content-type": "text/html"})
    api.route = lambda arrived: exchanges.pop(0) if arrived.path == "/v1/oauth/token" else page
    settings = ClientSettings(workload_identity=identity(tmp_path / "token"), base_url=api.base_url)
    with pytest.raises(AuthenticationFailedError, match="A batch may have been created") as caught:
        create(BlockingClient(kind, settings))
    assert not is_refusal(caught.value)
    assert [arrived.path for arrived in api.arrived].count("/v1/messages/batches") == 1


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_or_empty_token_file_is_a_matter_of_configuration(
    kind: str, api: ScriptedApi, tmp_path: Any, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    settings = ClientSettings(workload_identity=identity(tmp_path / "token"), base_url=api.base_url)
    with pytest.raises(ConfigurationError):
        create(BlockingClient(kind, settings))
    assert api.arrived == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=400, body=error_body("invalid_request_error", f"bad key {KEY}!")),
        Answer(status=500, body=f"<html>{KEY}</html>".encode()),
        Answer(status=307, headers={"location": f"https://{KEY}@example.org/{KEY}"}),
        Answer(body={"type": KEY}),
        Answer(body=KEY.encode()),
    ],
    ids=["message", "html", "redirect", "type", "text"],
)
def test_a_key_that_a_server_echoes_is_in_no_message_traceback_or_pickle(
    client: BlockingClient, api: ScriptedApi, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    api.answer(answer)
    with pytest.raises(MessageBatchesError) as caught:
        create(client)
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in str(caught.value) + repr(caught.value) + shown + caplog.text
    assert KEY.encode() not in pickle.dumps(caught.value)


def test_the_sdks_debug_log_neither_shows_the_key_nor_spoils_a_body(
    client: BlockingClient, api: ScriptedApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    create(client)
    assert api.arrived[0].body == BODY
    assert KEY not in caplog.text


def test_default_headers_and_query_of_the_connection_are_sent(api: ScriptedApi) -> None:
    kwargs = {"default_headers": {"x-gateway": "team-a"}, "default_query": {"tag": "b"}, "max_retries": 0}
    settings = ClientSettings(api_key=KEY, base_url=f"{api.base_url}/prefix/", client_kwargs=kwargs)
    api.answer(Answer(status=500))
    with pytest.raises(ApiStatusError):
        BlockingClient("sync", settings).retrieve("msgbatch_1")
    (arrived,) = api.arrived
    assert arrived.path == "/prefix/v1/messages/batches/msgbatch_1?tag=b"
    assert arrived.headers["x-gateway"] == "team-a"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_proxy_of_the_connection_is_used_over_the_environments(
    kind: str, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    settings = ClientSettings(api_key=KEY, base_url="http://api.invalid", client_kwargs={"proxy": api.base_url})
    assert BlockingClient(kind, settings).retrieve("msgbatch_1").id == "msgbatch_1"
    assert api.arrived[0].path == "http://api.invalid/v1/messages/batches/msgbatch_1"
