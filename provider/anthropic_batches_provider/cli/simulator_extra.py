"""Checks that the packages of the extra ``[simulator]`` are installed."""

from __future__ import annotations

from importlib.util import find_spec

from anthropic_batches_provider.errors import ConfigurationError

_PACKAGES = ("starlette", "uvicorn")


def check_simulator_extra() -> None:
    """Check that the simulator can be imported.

    :raises ConfigurationError: a package is missing; says how to install it.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"The simulator needs {' and '.join(missing)}, not installed here. Install the extra: "
            "pip install 'airflow-provider-anthropic-batches[simulator]'. Nothing was started."
        )
