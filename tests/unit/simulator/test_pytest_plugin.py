import json

import httpx2

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator, message_batch_simulator

__all__ = ["message_batch_simulator"]


def test_the_fixture_gives_a_running_simulator(message_batch_simulator: MessageBatchSimulator) -> None:
    headers = {"authorization": f"Bearer {message_batch_simulator.api_key}", "anthropic-version": "2026-10-21"}
    answer = httpx2.get(f"{message_batch_simulator.base_url}/v1/messages/batches", headers=headers)
    assert answer.status_code == 200
    assert message_batch_simulator.control.received().calls == {"list": 1}


def test_the_fixture_gives_an_airflow_connection(message_batch_simulator: MessageBatchSimulator) -> None:
    connection = json.loads(message_batch_simulator.airflow_connection_json)
    assert connection == {
        "conn_type": "anthropic_batches",
        "host": message_batch_simulator.base_url,
        "password": message_batch_simulator.api_key,
    }


def test_each_test_has_a_simulator_of_its_own(message_batch_simulator: MessageBatchSimulator) -> None:
    assert message_batch_simulator.control.received().calls == {}
