"""A local Message Batches API, for tests and demonstrations: it imitates the service and knows nothing of the provider.

It restates the service's limits for itself, so that it is a second witness of them, and imports neither Airflow nor
the SDK. Names are loaded when first used: the pytest plugin lives in this package and must cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic_batches_provider.simulator.app import create_app
    from anthropic_batches_provider.simulator.clock import Clock
    from anthropic_batches_provider.simulator.control import SimulatorControl
    from anthropic_batches_provider.simulator.server import SimulatorServer
    from anthropic_batches_provider.simulator.settings import DEFAULT_API_KEY, Settings
    from anthropic_batches_provider.simulator.simulator import Simulator

__all__ = ["DEFAULT_API_KEY", "Clock", "Settings", "Simulator", "SimulatorControl", "SimulatorServer", "create_app"]

_HOMES = {
    "DEFAULT_API_KEY": "settings",
    "Clock": "clock",
    "Settings": "settings",
    "Simulator": "simulator",
    "SimulatorControl": "control",
    "SimulatorServer": "server",
    "create_app": "app",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
