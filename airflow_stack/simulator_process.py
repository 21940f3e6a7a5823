"""The simulator in a process of its own."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_stack.patience import patient
from airflow_stack.processes import Processes, StackError
from anthropic_batches_provider.simulator import DEFAULT_API_KEY, SimulatorControl


class SimulatorProcess:
    """A context manager that runs ``python -m anthropic_batches_provider.simulator`` on a free loopback port.

    :param home: the folder for its log and the record of its process id; created if it does not exist.
    :param settings: the simulator's settings that differ from the defaults, such as ``{"batch_duration": 15}``.
    """

    def __init__(self, home: Path, settings: Mapping[str, object] | None = None) -> None:
        self._home = home.absolute()
        self._settings = dict(settings or {})
        self.processes = Processes(self._home, os.environ)
        self.base_url = ""

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        url_file = self._home / "url"
        url_file.unlink(missing_ok=True)
        options = [text for name, value in self._settings.items() for text in ("--set", f"{name}={json.dumps(value)}")]
        module = ["-m", "anthropic_batches_provider.simulator", "--port", "0", "--url-file", str(url_file)]
        try:
            self.processes.start("simulator", [sys.executable, *module, *options])
            self.base_url = self._wait_for_url(url_file)
        except BaseException:
            self.processes.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.processes.stop()

    @property
    def control(self) -> SimulatorControl:
        """A client of its control API: sets faults and outcomes, reads what was received and billed."""
        return SimulatorControl(self.base_url)

    @property
    def airflow_connection_json(self) -> str:
        """An Airflow connection to it, as the value of ``AIRFLOW_CONN_ANTHROPIC_DEFAULT``."""
        return json.dumps({"conn_type": "anthropic_batches", "host": self.base_url, "password": DEFAULT_API_KEY})

    def _wait_for_url(self, file: Path, timeout: float = 30) -> str:
        timeout = patient(timeout)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.processes.check()
            if file.exists():
                return file.read_text().strip()
            time.sleep(0.1)
        raise StackError(f"The simulator did not start within {timeout:.0f} s.\n{self.processes.log_tail('simulator')}")
