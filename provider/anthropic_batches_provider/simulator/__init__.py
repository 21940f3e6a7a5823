"""A local Message Batches API for tests and demonstrations: it imitates the service and knows nothing of the provider.

It defines the service's limits itself, as an independent check of the provider's, and imports neither Airflow nor the
SDK. Names are loaded on first use: the pytest plugin is part of this package and must cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic_batches_provider.simulator.control.control_client import SimulatorControl
    from anthropic_batches_provider.simulator.control.simulator import Simulator
    from anthropic_batches_provider.simulator.http.app import create_app
    from anthropic_batches_provider.simulator.server import SimulatorServer
    from anthropic_batches_provider.simulator.service.service_settings import DEFAULT_API_KEY, Settings
    from anthropic_batches_provider.simulator.service.simulated_clock import Clock

__all__ = ["DEFAULT_API_KEY", "Clock", "Settings", "Simulator", "SimulatorControl", "SimulatorServer", "create_app"]

_HOMES = {
    "DEFAULT_API_KEY": "service.service_settings",
    "Clock": "service.simulated_clock",
    "Settings": "service.service_settings",
    "Simulator": "control.simulator",
    "SimulatorControl": "control.control_client",
    "SimulatorServer": "server",
    "create_app": "http.app",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
