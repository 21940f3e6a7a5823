from typing import Any

import httpx2
import pytest

from anthropic_batches_provider.simulator import Settings, Simulator, SimulatorControl, SimulatorServer


@pytest.fixture(scope="module")
def server() -> Any:
    with SimulatorServer(Simulator(settings=Settings(queue_limit=77))) as server:
        yield server


@pytest.fixture
def control(server: SimulatorServer) -> Any:
    server.control.reset()
    return server.control


def test_settings_are_changed_and_a_reset_brings_the_first_ones_back(control: SimulatorControl) -> None:
    assert control.settings().queue_limit == 77
    assert control.change_settings(batch_duration=5, incremental_counts=True).batch_duration == 5
    assert control.settings().queue_limit == 77
    control.reset()
    assert control.settings() == Settings(queue_limit=77)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batch_durations": 5}, "no such setting: batch_durations; use one of batch_duration, cancel_duration"),
        ({"batch_duration": "long"}, "Expected `float`, got `str`"),
        ({"cache_hit_rate": 2}, "between 0 and 1"),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(control: SimulatorControl, changes: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        control.change_settings(**changes)
    assert control.settings() == Settings(queue_limit=77)


def test_faults_and_outcomes_are_added_told_and_cleared(control: SimulatorControl) -> None:
    control.add_fault("create", "status", status=529, times=None)
    control.add_outcome("errored", share=0.05, error_type="overloaded_error")
    assert control.faults() == [{"operation": "create", "action": "status", "status": 529, "times": None, "struck": 0}]
    assert control.outcomes() == [{"result": "errored", "share": 0.05, "error_type": "overloaded_error", "applied": 0}]
    control.clear_faults()
    control.clear_outcomes()
    assert control.faults() == control.outcomes() == []


def test_several_faults_come_in_one_call_or_none_of_them(control: SimulatorControl) -> None:
    url = f"{control.base_url}/_simulator/faults"
    good, bad = {"action": "drop_after_commit"}, {"action": "explode"}
    assert httpx2.post(url, json={"faults": [good, bad]}).status_code == 400
    assert control.faults() == []
    assert httpx2.post(url, json=[good, good]).status_code == 200
    assert len(control.faults()) == 2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda control: control.add_fault("create", "explode"), "no such action: explode; use one of status"),
        (lambda control: control.add_outcome("exploded"), "no such result: exploded; use one of succeeded"),
        (lambda control: control.end_batches(["msgbatch_X"]), "no such batch: msgbatch_X"),
        (lambda control: control.end_batches(unfinished="vanish"), "it must be finish or expire"),
        (lambda control: control.advance_clock(-1), "does not run backwards"),
        (lambda control: control.advance_clock("far"), "as a number"),
    ],
)
def test_a_wrong_wish_is_an_error_that_says_what_there_is(control: SimulatorControl, call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        call(control)


def test_a_path_that_does_not_exist_names_those_that_do(server: SimulatorServer) -> None:
    answer = httpx2.get(f"{server.base_url}/_simulator/fault")
    assert answer.status_code == 404
    assert "/faults" in answer.json()["error"]


def test_a_body_that_is_not_json_is_an_error(server: SimulatorServer) -> None:
    answer = httpx2.post(f"{server.base_url}/_simulator/faults", content=b"{")
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_the_overview_names_the_paths(server: SimulatorServer) -> None:
    overview = httpx2.get(f"{server.base_url}/_simulator/").json()
    assert "POST /_simulator/faults" in overview["paths"]
    assert overview["settings"]["queue_limit"] == 77


def test_nothing_received_is_nothing_billed(control: SimulatorControl) -> None:
    received, billing = control.received(), control.billing()
    assert (received.calls, received.creates, received.batches_created) == ({}, [], 0)
    assert (billing.rows_billed, billing.max_times_billed, billing.batches) == (0, 0, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:1234"}, 200),
        ({"host": "[::1]:1234"}, 200),
        ({"origin": "http://127.0.0.1:8080"}, 200),
        ({"origin": "https://example.org"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "example.org"}, 403),
        ({"host": "127.0.0.1.example.org:80"}, 403),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/received"), ("POST", "/reset"), ("GET", "/nothing")])
def test_a_page_in_a_browser_does_not_control_the_simulator(
    server: SimulatorServer, headers: dict[str, str], status: int, method: str, path: str
) -> None:
    answer = httpx2.request(method, f"{server.base_url}/_simulator{path}", headers=headers)
    assert answer.status_code == (404 if path == "/nothing" else status)
