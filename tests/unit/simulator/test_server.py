import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl, SimulatorServer

SOURCE = Path(__file__).parents[3] / "provider"
COMMAND = [sys.executable, "-m", "anthropic_batches_provider.simulator"]
ITS_OTHER_NAME = [sys.executable, "-m", "anthropic_batches_provider.cli", "simulator"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE)}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        SimulatorServer(host=host)


def test_a_server_can_be_stopped_twice_and_started_again() -> None:
    server = SimulatorServer()
    with server:
        assert server.control.received().calls == {}
        assert server.api_key == DEFAULT_API_KEY
    server.stop()
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = server.base_url
    with server:
        assert server.control.received().calls == {}


def test_a_port_that_is_taken_is_an_error() -> None:
    with SimulatorServer() as server:
        port = int(server.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            SimulatorServer(port=port).start()


def test_the_command_says_which_port_is_taken() -> None:
    with SimulatorServer() as server:
        port = server.base_url.rpartition(":")[2]
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, env=ENVIRONMENT, timeout=20, check=False
        )
    assert done.returncode == 2
    assert f"port {port}: Address already in use. Choose another --port" in done.stderr


@pytest.mark.parametrize(
    ("command", "number"), [(COMMAND, signal.SIGTERM), (COMMAND, signal.SIGINT), (ITS_OTHER_NAME, signal.SIGINT)]
)
def test_the_command_prints_its_address_and_stops_cleanly(tmp_path: Path, command: list[str], number: int) -> None:
    url_file = tmp_path / "url"
    options = ["--batch-duration", "20", "--seed", "7", "--url-file", str(url_file), "--set", "queue_limit=5"]
    with subprocess.Popen(
        command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            settings = SimulatorControl(base_url).settings()
            assert url_file.read_text() == base_url
            process.send_signal(number)
            output, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    assert (settings.batch_duration, settings.queue_limit) == (20, 5)
    assert (process.returncode, output, errors) == (0, "", "")


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--set", "queue=5"], ["--speed", "-1"]])
def test_the_command_refuses_what_does_not_fit(options: Any) -> None:
    done = subprocess.run(COMMAND + options, capture_output=True, text=True, env=ENVIRONMENT, timeout=20, check=False)
    assert done.returncode == 2
    assert "error:" in done.stderr


@pytest.mark.parametrize(
    ("command", "name"),
    [(COMMAND, "python -m anthropic_batches_provider.simulator"), (ITS_OTHER_NAME, "anthropic-batches simulator")],
)
def test_the_command_names_itself_as_it_was_called(command: list[str], name: str) -> None:
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, env=ENVIRONMENT, timeout=20, check=True)
    assert done.stdout.startswith(f"usage: {name} ")


def test_neither_airflow_nor_the_sdk_nor_the_rest_of_the_package_is_imported() -> None:
    code = (
        "import sys; import anthropic_batches_provider.simulator.__main__;"
        "print([m for m in sys.modules if m.partition('.')[0] in ('airflow', 'anthropic', 'httpx2')"
        " or m.startswith('anthropic_batches_provider.') and not m.startswith('anthropic_batches_provider.simulator')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.strip() == "[]"


def test_the_pytest_plugin_is_light() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import anthropic_batches_provider.simulator.pytest_plugin;"
        "print([m for m in set(sys.modules) - before if m.partition('.')[0] in ('starlette', 'uvicorn', 'msgspec')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.strip() == "[]"
