"""A pytest fixture with a separate simulator for each test. It costs nothing until a test requests it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from anthropic_batches_provider.simulator.control.control_client import SimulatorControl

CONNECTION_TYPE = "anthropic_batches"


@dataclass(frozen=True)
class MessageBatchSimulator:
    """A running simulator.

    :param base_url: for clients of the API.
    :param api_key: a key that it accepts.
    :param control: sets faults and outcomes, and reports the calls it received and the rows it billed.
    """

    base_url: str
    api_key: str
    control: SimulatorControl

    @property
    def airflow_connection(self) -> dict[str, str]:
        """An Airflow connection to the simulator."""
        return {"conn_type": CONNECTION_TYPE, "host": self.base_url, "password": self.api_key}

    @property
    def airflow_connection_json(self) -> str:
        """The same connection, as the value of the environment variable ``AIRFLOW_CONN_ANTHROPIC_DEFAULT``."""
        return json.dumps(self.airflow_connection)


@pytest.fixture
def message_batch_simulator() -> Iterator[MessageBatchSimulator]:
    """Run a simulator of the Message Batches API on loopback, for this test alone."""
    from anthropic_batches_provider.simulator.server import SimulatorServer

    with SimulatorServer() as server:
        yield MessageBatchSimulator(server.base_url, server.api_key, server.control)
