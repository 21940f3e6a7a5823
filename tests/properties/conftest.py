"""The simulator that the histories of spending share; the engine's log would hide a failing one."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from anthropic_batches_provider.simulator import Clock as ManualClock
from anthropic_batches_provider.simulator import Simulator
from anthropic_batches_provider.simulator.server import SimulatorServer


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    logging.disable(logging.CRITICAL)
    with SimulatorServer(Simulator(clock=ManualClock(start=1_800_000_000, speed=0))) as server:
        yield server
    logging.disable(logging.NOTSET)
