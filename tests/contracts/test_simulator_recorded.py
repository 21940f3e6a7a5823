"""The simulator against recorded exchanges with the real service: status, shape, types, content type and wording.

The recordings are stored next to the repository; without them these tests are skipped.
"""

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from anthropic_batches_provider.simulator import Clock, Settings, Simulator, SimulatorServer

RECORDED = Path(__file__).parents[3] / "shared" / "recorded"
EXCHANGES = sorted(path for path in RECORDED.glob("*_[0-9]*.json") if not path.name.startswith("quoted"))
HEADERS = {"authorization": "Bearer sk-ant-simulator", "anthropic-version": "2023-06-01"}

pytestmark = pytest.mark.skipif(not EXCHANGES, reason="the recorded exchanges are missing")

# Fields that the service has added since the recordings were made (2025).
ADDED = {"request_id", "stop_details", "cache_creation", "service_tier", "inference_geo", "output_tokens_details"}
# Texts that the service has changed since then.
REWORDED = {"invalid x-api-key": "API key is invalid."}


def shape(value: Any) -> Any:
    """Return the keys and types of a JSON value; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items() if key not in ADDED}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", value):
        return "moment"
    return type(value).__name__


def without_ids(text: str) -> Any:
    return re.sub(r"msgbatch_\w+", "msgbatch_X", text)


def recorded(path: Path) -> Any:
    return json.loads(path.read_text())


def when(exchange: dict[str, Any]) -> Any:
    return parsedate_to_datetime(exchange["response"]["headers"]["Date"]).timestamp()


def creating_body(path: Path) -> Any:
    """Return the recorded body that made the batch of this exchange, or one like it."""
    stem = re.sub(r"_\d\d_\w+$", "", path.stem)
    for other in EXCHANGES:
        if other.stem.startswith(stem) and "_create_" in other.name:
            return recorded(other)["request"]["body"]
    return recorded(next(path for path in EXCHANGES if "batch_create_01" in path.name))["request"]["body"]


@pytest.fixture
def serve() -> Any:
    servers = []

    def start(exchange: dict[str, Any], **settings: Any) -> Any:
        server = SimulatorServer(
            Simulator(clock=Clock(start=when(exchange), speed=0), settings=Settings(batch_duration=60, **settings))
        ).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def played(path: Path, server: SimulatorServer, key: str = "sk-ant-simulator") -> Any:
    """Return the simulator's answer to a recorded request, in the state in which the recording was made."""
    exchange = recorded(path)
    answer = json.loads(exchange["response"]["body"]) if exchange["response"]["body"] else {}
    headers = HEADERS | {"authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=server.base_url, headers=HEADERS) as client:
        made = []
        for _ in range(len(answer.get("data", [1])) + int(answer.get("has_more", False))):
            created = client.post("/v1/messages/batches", content=creating_body(path))
            assert created.status_code == 200
            made.append(created.json()["id"])
        if answer.get("processing_status") == "ended" or path.stem.endswith("results_200"):
            server.control.end_batches()
        url = re.sub(r"msgbatch_\w+", made[-1], exchange["request"]["url"].removeprefix("https://api.anthropic.com"))
        return client.request(exchange["request"]["method"], url, content=exchange["request"]["body"], headers=headers)


@pytest.mark.parametrize("path", EXCHANGES, ids=lambda path: path.stem)
def test_the_answer_has_the_status_shape_and_headers_of_the_recorded_one(path: Path, serve: Any) -> None:
    exchange = recorded(path)
    response = exchange["response"]
    ours = played(path, serve(exchange), key="wrong" if response["status"] == 401 else "sk-ant-simulator")
    assert ours.status_code == response["status"]
    assert re.fullmatch(r"req_01\w{22}", ours.headers["request-id"])
    theirs = {name.lower(): value for name, value in response["headers"].items()}
    assert ours.headers["date"] == theirs["date"]
    assert ours.headers.get("retry-after") == theirs.get("retry-after")
    if "x-should-retry" in theirs:
        assert ours.headers["x-should-retry"] == theirs["x-should-retry"]
    if response["body"] is not None:
        assert ours.headers["content-type"] == theirs["content-type"]
        assert shape(ours.json()) == shape(json.loads(response["body"]))


@pytest.mark.parametrize("path", [p for p in EXCHANGES if p.stem.endswith(("401", "404"))], ids=lambda path: path.stem)
def test_an_error_says_what_the_recorded_one_says(path: Path, serve: Any) -> None:
    exchange = recorded(path)
    theirs = json.loads(exchange["response"]["body"])["error"]
    ours = played(path, serve(exchange), key="wrong" if "401" in path.stem else "sk-ant-simulator").json()["error"]
    assert ours["type"] == theirs["type"]
    message = without_ids(theirs["message"])
    assert without_ids(ours["message"]) == REWORDED.get(message, message)


@pytest.mark.parametrize(
    "path",
    [p for p in EXCHANGES if p.stem.endswith(("create_200", "retrieve_200", "cancel_200"))],
    ids=lambda p: p.stem,
)
def test_a_batch_has_the_status_and_counts_of_the_recorded_one(path: Path, serve: Any) -> None:
    exchange = recorded(path)
    theirs = json.loads(exchange["response"]["body"])
    ours = played(path, serve(exchange)).json()
    for name in ("type", "processing_status", "request_counts"):
        assert ours[name] == theirs[name]
    assert len(ours["id"]) == len(theirs["id"])
    assert (ours["results_url"] is None) == (theirs["results_url"] is None)
    lives = datetime.fromisoformat(ours["expires_at"]) - datetime.fromisoformat(ours["created_at"])
    assert lives == datetime.fromisoformat(theirs["expires_at"]) - datetime.fromisoformat(theirs["created_at"])


@pytest.mark.parametrize("path", [p for p in EXCHANGES if p.stem.endswith("results_200")], ids=lambda path: path.stem)
def test_result_rows_have_the_shape_of_the_recorded_ones(path: Path, serve: Any) -> None:
    exchange = recorded(path)
    ours = played(path, serve(exchange))
    assert ours.headers["content-type"] == "application/x-jsonl"
    assert re.fullmatch(r'attachment; filename="msgbatch_\w+_results.jsonl"', ours.headers["content-disposition"])
    theirs = [json.loads(line) for line in path.with_suffix(".jsonl").read_bytes().splitlines()]
    rows = [json.loads(line) for line in ours.content.split(b"\n")[:-1]]
    assert sorted(row["custom_id"] for row in rows) == sorted(row["custom_id"] for row in theirs)
    assert shape(rows[0]) == shape(theirs[0])


QUOTED = RECORDED / "quoted_http_errors.json"


def create_body(*requests: Any) -> Any:
    return json.dumps({"requests": requests})


def request(custom_id: str = "a", **params: Any) -> Any:
    fine = {"model": "claude-haiku-4-5-20251001", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    kept = {name: value for name, value in (fine | params).items() if value is not None}
    return {"custom_id": custom_id, "params": kept}


# By the call that the service answered so; calls that need pictures to be fetched or tools to be checked are left out.
REFUSED_CREATES = {
    "custom_id longer than 64": create_body(request("a" * 65)),
    "duplicate custom_id": create_body(request("dup"), request("dup")),
    "custom_id missing": create_body({"params": {}}),
    "custom_id bad charset": create_body(request("a b")),
    "empty requests": create_body(),
}
ERRORED_ROWS = {
    "per-row, after the batch ended: params lacks messages": request(messages=None),
    "stream true in params": request(stream=True),
    "max_tokens over model ceiling": request(max_tokens=9999999),
    "max_tokens 0": request(max_tokens=0),
    "manual thinking on claude-opus-5": request(
        model="claude-opus-5", thinking={"type": "enabled", "budget_tokens": 2000}
    ),
}
FAULTS = {
    "body over the limit; note: no outer type:error, no request_id": 413,
    "rate limit (Messages endpoint)": 429,
    "overloaded (Messages endpoint)": 529,
}


def quoted(when: str) -> Any:
    (found,) = [quote for quote in json.loads(QUOTED.read_text()) if quote["when"] == when]
    return found


def quoted_message(when: str) -> Any:
    quote = quoted(when)
    return quote["message"] if "message" in quote else quote["body"]["error"]["message"]


@pytest.fixture(scope="module")
def server() -> Any:
    with SimulatorServer() as server:
        yield server


@pytest.fixture
def client(server: SimulatorServer) -> Any:
    with httpx2.Client(base_url=server.base_url, headers=HEADERS) as client:
        yield client


@pytest.mark.parametrize("when", REFUSED_CREATES)
def test_a_refused_create_is_worded_as_quoted(when: str, client: httpx2.Client) -> None:
    ours = client.post("/v1/messages/batches", content=REFUSED_CREATES[when])
    assert ours.status_code == quoted(when)["status"]
    assert ours.json()["error"] == {"type": "invalid_request_error", "message": quoted_message(when)}


@pytest.mark.parametrize("when", ERRORED_ROWS)
def test_an_errored_row_is_worded_as_quoted(when: str, client: httpx2.Client) -> None:
    batch = client.post("/v1/messages/batches", content=create_body(ERRORED_ROWS[when])).json()
    (line,) = client.get(f"/v1/messages/batches/{batch['id']}/results").content.splitlines()
    error = json.loads(line)["result"]["error"]
    assert error["type"] == "error"
    assert error["error"] == {"type": "invalid_request_error", "message": quoted_message(when)}


@pytest.mark.parametrize("when", FAULTS)
def test_a_fault_is_worded_as_quoted(when: str, client: httpx2.Client, server: SimulatorServer) -> None:
    server.control.add_fault("list", "status", status=FAULTS[when])
    ours = client.get("/v1/messages/batches")
    theirs = quoted(when)["body"]
    assert ours.status_code == quoted(when)["status"]
    assert ours.json() | {"request_id": ""} == theirs | {"request_id": ""}
    assert ("request_id" in ours.json()) == ("request_id" in theirs)


def test_a_batch_that_does_not_exist_is_worded_as_quoted(client: httpx2.Client) -> None:
    message = quoted_message("unknown batch id (get or results)")
    for url in ("/v1/messages/batches/msgbatch_X", "/v1/messages/batches/msgbatch_X/results"):
        assert client.get(url).json()["error"]["message"] == message


def test_deleting_a_batch_in_progress_is_worded_as_quoted(client: httpx2.Client, server: SimulatorServer) -> None:
    server.control.change_settings(batch_duration=60)
    batch = client.post("/v1/messages/batches", content=create_body(request())).json()
    server.control.change_settings(batch_duration=0)
    ours = client.delete(f"/v1/messages/batches/{batch['id']}")
    assert (ours.status_code, ours.json()["error"]["message"]) == (400, quoted_message("delete in-progress batch"))
