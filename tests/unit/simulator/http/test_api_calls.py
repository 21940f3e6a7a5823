"""Connections that break: seen from a plain client and from a bare socket."""

import json
import socket
import threading
import time
from collections import deque
from typing import Any

import httpx2
import pytest

from anthropic_batches_provider.simulator import Clock, Settings, Simulator, SimulatorControl, SimulatorServer

BATCHES = "/v1/messages/batches"
HEADERS = {"x-api-key": "sk-ant-simulator", "anthropic-version": "2026-10-21"}


def body(count: int = 3) -> Any:
    params = {
        "model": "claude-haiku-4-5",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "Line\u2028separator"}],
    }
    requests = [{"custom_id": f"r-{n}", "params": params} for n in range(count)]
    return json.dumps({"requests": requests}, ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def server() -> Any:
    with SimulatorServer(Simulator(clock=Clock(start=1_795_000_000, speed=0))) as server:
        yield server


@pytest.fixture
def control(server: SimulatorServer) -> Any:
    server.control.reset()
    return server.control


@pytest.fixture
def client(server: SimulatorServer, control: SimulatorControl) -> Any:
    with httpx2.Client(base_url=server.base_url, headers=HEADERS, timeout=5) as client:
        yield client


@pytest.mark.parametrize(("action", "batches"), [("drop_before_commit", 0), ("drop_after_commit", 1)])
def test_a_dropped_call_gets_not_a_byte(
    server: SimulatorServer, control: SimulatorControl, action: str, batches: int
) -> None:
    control.add_fault("create", action)
    content = body()
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    host, port = server.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            f"POST {BATCHES} HTTP/1.1\r\nhost: x\r\n{head}content-length: {len(content)}\r\n\r\n".encode()
        )
        connection.sendall(content)
        assert connection.recv(1) == b""
    assert control.received().batches_created == batches


def test_a_dropped_call_is_a_protocol_error_and_the_next_call_works(
    client: httpx2.Client, control: SimulatorControl
) -> None:
    control.add_fault("any", "drop_before_commit")
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get(BATCHES)
    assert client.get(BATCHES).status_code == 200


def test_a_truncated_answer_ends_in_the_middle_with_the_batch_made(
    client: httpx2.Client, control: SimulatorControl
) -> None:
    control.add_fault("create", "truncated_200")
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post(BATCHES, content=body())
    assert control.received().batches_created == 1


def test_a_page_of_html_hides_the_batch_that_was_made(client: httpx2.Client, control: SimulatorControl) -> None:
    control.add_fault("create", "html_200")
    answer = client.post(BATCHES, content=body())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=UTF-8")
    assert control.received().batches_created == 1


def test_a_status_after_the_commit_hides_the_batch_that_was_made(
    client: httpx2.Client, control: SimulatorControl
) -> None:
    control.add_fault("create", "status_after_commit", status=504)
    assert client.post(BATCHES, content=body()).json()["error"]["type"] == "timeout_error"
    assert control.received().batches_created == 1


def test_a_redirect_names_where_to_go(client: httpx2.Client, control: SimulatorControl) -> None:
    control.add_fault("create", "status", status=307)
    answer = client.post(BATCHES, content=body())
    assert (answer.status_code, answer.headers["location"]) == (307, control.base_url + BATCHES)


def test_a_413_can_be_html(client: httpx2.Client, control: SimulatorControl) -> None:
    control.change_settings(max_bytes=50, html_413=True)
    answer = client.post(BATCHES, content=body())
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=UTF-8")
    control.change_settings(html_413=False)
    assert client.post(BATCHES, content=body()).json()["error"]["type"] == "request_too_large"


def test_a_late_commit_shows_up_when_its_time_has_come(client: httpx2.Client, control: SimulatorControl) -> None:
    control.add_fault("create", "late_commit", seconds=30)
    with pytest.raises(httpx2.RemoteProtocolError):
        client.post(BATCHES, content=body())
    assert client.get(BATCHES).json()["data"] == []
    control.advance_clock(30)
    (batch,) = client.get(BATCHES).json()["data"]
    assert [create.batch_id for create in control.received().creates] == [batch["id"]]


@pytest.mark.parametrize(("when", "batches"), [("before", 0), ("after", 1)])
def test_a_client_that_gives_up_on_a_hanging_call_leaves_what_was_done_by_then(
    client: httpx2.Client, control: SimulatorControl, when: str, batches: int
) -> None:
    control.add_fault("create", "hang", seconds=60, when=when)
    with pytest.raises(httpx2.ReadTimeout):
        client.post(BATCHES, content=body(), timeout=0.1)
    assert control.received().batches_created == batches


def test_a_call_that_hangs_a_while_is_answered(client: httpx2.Client, control: SimulatorControl) -> None:
    control.add_fault("create", "hang", seconds=0.1)
    assert client.post(BATCHES, content=body()).status_code == 200


def ended_batch(client: httpx2.Client, count: int = 3) -> Any:
    return client.post(BATCHES, content=body(count)).json()["id"]


def streamed(client: httpx2.Client, batch_id: str, accept_encoding: str = "identity") -> Any:
    """Return the part of the results that arrives before they break off."""
    received = bytearray()
    url, headers = f"{BATCHES}/{batch_id}/results", {"accept-encoding": accept_encoding}
    with client.stream("GET", url, headers=headers) as answer:
        assert answer.headers.get("content-encoding", "identity") == accept_encoding
        with pytest.raises(httpx2.RemoteProtocolError):
            deque(map(received.extend, answer.iter_bytes()), maxlen=0)
    return bytes(received)


def test_results_can_be_cut_in_the_middle_of_a_line(client: httpx2.Client, control: SimulatorControl) -> None:
    batch_id = ended_batch(client)
    whole = client.get(f"{BATCHES}/{batch_id}/results").content
    control.add_fault("results", "cut_after_lines", lines=1)
    first, rest = streamed(client, batch_id).split(b"\n")
    assert whole.startswith(first + b"\n" + rest)
    assert rest
    control.add_fault("results", "cut_after_bytes", bytes=100)
    assert streamed(client, batch_id) == whole[:100]
    assert client.get(f"{BATCHES}/{batch_id}/results").content == whole


def test_compressed_results_can_be_cut_too(client: httpx2.Client, control: SimulatorControl) -> None:
    control.change_settings(gzip_results=True)
    batch_id = ended_batch(client)
    control.add_fault("results", "cut_after_lines", lines=1)
    assert streamed(client, batch_id, "gzip").count(b"\n") == 1


def test_slow_results_keep_their_pace(client: httpx2.Client, control: SimulatorControl) -> None:
    batch_id = ended_batch(client)
    length = len(client.get(f"{BATCHES}/{batch_id}/results").content)
    control.add_fault("results", "slow", bytes_per_second=length * 10)
    began = time.monotonic()
    assert len(client.get(f"{BATCHES}/{batch_id}/results").content) == length
    assert time.monotonic() - began >= 0.09


def test_a_line_separator_comes_raw(client: httpx2.Client) -> None:
    content = client.get(f"{BATCHES}/{ended_batch(client)}/results").content
    assert "Line\u2028separator".encode() in content


def test_the_time_is_the_simulators(client: httpx2.Client, control: SimulatorControl) -> None:
    before = control.now()
    control.advance_clock(3600)
    answer = client.get(BATCHES)
    assert answer.headers.get_list("date") == [time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(before + 3600))]
    assert answer.headers["request-id"].startswith("req_01")
    assert answer.headers["anthropic-workspace-id"] == "wrkspc_01Simulator"
    assert answer.headers["anthropic-organization-id"]
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "4000"


def test_the_rate_limit_holds_if_it_is_enforced(client: httpx2.Client, control: SimulatorControl) -> None:
    control.change_settings(requests_per_minute=2, enforce_requests_per_minute=True)
    answers = [client.get(BATCHES) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["anthropic-ratelimit-requests-remaining"] for answer in answers] == ["1", "0", "0"]
    control.advance_clock(int(answers[-1].headers["retry-after"]))
    assert client.get(BATCHES).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({"x-api-key": "wrong"}, 401, "API key is invalid."),
        ({"x-api-key": ""}, 401, "API key is invalid."),
        ({"anthropic-version": "2020-01-01"}, 400, 'anthropic-version: "2020-01-01" is not a valid version'),
        ({"content-encoding": "br"}, 400, "Content-Encoding br is not supported."),
    ],
)
def test_who_asks_must_say_so(client: httpx2.Client, headers: Any, status: int, says: str) -> None:
    answer = client.post(BATCHES, content=body(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, says)


def test_a_key_is_bound_to_its_workspaces() -> None:
    keys = {"key-a": ("wrkspc_a",), "key-b": ("wrkspc_b",)}
    with SimulatorServer(Simulator(api_keys=keys)) as server, httpx2.Client(base_url=server.base_url) as client:
        version = {"anthropic-version": "2026-10-21"}
        made = client.post(BATCHES, content=body(), headers=version | {"x-api-key": "key-a"}).json()["id"]
        assert client.get(f"{BATCHES}/{made}", headers=version | {"x-api-key": "key-b"}).status_code == 404
        wanted = version | {"x-api-key": "key-b", "anthropic-workspace-id": "wrkspc_a"}
        assert client.get(f"{BATCHES}/{made}", headers=wanted).status_code == 403


def test_a_batch_in_progress_gives_a_hint_when_to_look_again(client: httpx2.Client, control: SimulatorControl) -> None:
    control.change_settings(batch_duration=60)
    made = ended_batch(client)
    assert client.get(f"{BATCHES}/{made}").headers["retry-after"] == "10"
    control.end_batches([made])
    assert "retry-after" not in client.get(f"{BATCHES}/{made}").headers


def test_the_hint_is_never_longer_than_the_batch_needs() -> None:
    simulator = Simulator(clock=Clock(speed=100), settings=Settings(batch_duration=300))
    with SimulatorServer(simulator) as server, httpx2.Client(base_url=server.base_url, headers=HEADERS) as client:
        made = client.post(BATCHES, content=body()).json()["id"]
        assert client.get(f"{BATCHES}/{made}").headers["retry-after"] == "3"


def test_calls_are_answered_while_another_hangs(client: httpx2.Client, control: SimulatorControl) -> None:
    control.add_fault("create", "hang", seconds=0.2)
    hanging = threading.Thread(
        target=lambda: httpx2.post(f"{control.base_url}{BATCHES}", content=body(), headers=HEADERS)
    )
    hanging.start()
    began = time.monotonic()
    assert client.get(BATCHES).status_code == 200
    assert time.monotonic() - began < 0.15
    hanging.join()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", BATCHES, 405)])
def test_what_does_not_exist_is_refused_in_the_envelope(
    client: httpx2.Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (status, "error")
    assert answer.json()["request_id"] == answer.headers["request-id"]
