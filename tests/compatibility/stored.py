"""The data that earlier commits left behind, as their own code wrote it; a test restores its folder and its service.

Each folder of ``written_by_…`` is one case. ``files/`` is a task's local folder, with the job folders and claims
under ``storage/``. ``service.jsonl`` is the content of the Message Batches API at that time. ``deferred/`` holds what
Airflow kept of the tasks, one file for each moment. ``{FOLDER}`` and ``{SERVICE}`` replace the folder and the base URL.
"""

from __future__ import annotations

import importlib
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_batches_provider.simulator import Clock, Simulator, SimulatorControl
from anthropic_batches_provider.simulator.server import SimulatorServer

STORED = Path(__file__).parent / "written_by_1ed7f96"
PILOTED = Path(__file__).parent / "written_by_cd7f7de"
"""Of a commit that knew pilots, but no primers."""
FOLDER, SERVICE = "{FOLDER}", "{SERVICE}"
LOOKS_LIKE_FOREVER = 20 * 3600.0  # seconds, within the 24 hours of a batch
WHAT_HAPPENS = ("created_at", "canceled_at", "ended_at")  # in the order of one moment


def class_at(path: str) -> Any:
    """Import the class of a class path, as Airflow does."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def names() -> dict[str, Any]:
    """Return the class paths, method names and trigger arguments that Airflow's database and users' DAGs hold."""
    stored: dict[str, Any] = json.loads((STORED / "names.json").read_text())
    return stored


def folder_of(case: str) -> Path:
    """Return the folder of a case, of whatever commit."""
    return next(folder / case for folder in (STORED, PILOTED) if (folder / case).is_dir())


def cases() -> list[str]:
    """Return the names of all cases."""
    return sorted(path.name for folder in (STORED, PILOTED) for path in folder.iterdir() if path.is_dir())


@contextmanager
def simulator(start: float) -> Iterator[SimulatorServer]:
    """Return a simulator whose time moves only when the test moves it."""
    with SimulatorServer(Simulator(clock=Clock(start=start, speed=0))) as server:
        yield server


@dataclass(frozen=True)
class Case:
    """One stored case in a folder of its own, and the service as it was when the case was stored.

    :param replacements: by stored text, the text that replaces it here: locations, and batch ids, oldest first.
    """

    name: str
    folder: Path
    server: SimulatorServer
    replacements: dict[str, str]

    @property
    def control(self) -> SimulatorControl:
        return self.server.control

    @property
    def batch_ids(self) -> list[str]:
        """Return the batches that the service held then, oldest first."""
        return [new for stored, new in self.replacements.items() if stored not in (FOLDER, SERVICE)]

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def jobs(self) -> dict[str, dict[str, bytes]]:
        """Return the files of each job folder, by the job's path."""
        folders = [file.parent for file in sorted(self.storage.rglob("job.json"))]
        return {str(folder.relative_to(self.storage)): files_in(folder) for folder in folders}

    def deferred_file(self, moment: str = "deferred") -> Path:
        """Return the file with what Airflow kept of each task at a moment."""
        return self.folder / "deferred" / f"{moment}.json"

    def kept(self, task_id: str, moment: str = "deferred", case: str | None = None) -> dict[str, Any]:
        """Return what Airflow kept of a task.

        :param case: another one, of the same run.
        """
        text = (folder_of(case or self.name) / "deferred" / f"{moment}.json").read_text()
        found: dict[str, Any] = json.loads(replaced(text, self.replacements))[task_id]
        return found

    def sent_since(self) -> list[int | None]:
        """Return the number of requests in each create call that was made since the case was stored."""
        return [create.requests for create in self.control.received().creates[len(self.batch_ids) :]]

    def check_each_row_billed_once(self, rows: int) -> None:
        """Check the bill of rows that have different texts."""
        billing = self.control.billing()
        assert (billing.rows_billed, billing.max_times_billed, billing.distinct_contents) == (rows, 1, rows)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def restored(name: str, folder: Path) -> Iterator[Case]:
    """Yield a stored case: its files under ``folder``, and a simulator that holds what the service held."""
    held, *batches = [json.loads(line) for line in (folder_of(name) / "service.jsonl").read_text().splitlines()]
    with simulator(held["started_at"]) as server:
        ids = _held_again(server, held, batches)
        case = Case(name, folder, server, {FOLDER: str(folder), SERVICE: server.base_url, **ids})
        for part, below in (("files", folder), ("deferred", folder / "deferred")):
            for relative, content in files_in(folder_of(name) / part).items():
                target = below / replaced(relative, ids)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(replaced(content.decode(), case.replacements))
        yield case


def _held_again(server: SimulatorServer, held: dict[str, Any], batches: list[dict[str, Any]]) -> dict[str, str]:
    """Recreate the same batches at the same moments in the simulator; return their new ids by the stored ids."""
    control, ids = server.control, dict[str, str]()
    control.change_settings(batch_duration=LOOKS_LIKE_FOREVER)
    for rule in held["outcomes"]:
        control.add_outcome(**rule)
    happened = [(batch[what], what, batch) for batch in batches for what in WHAT_HAPPENS if batch[what] is not None]
    for at, what, batch in sorted(happened, key=lambda each: (each[0], WHAT_HAPPENS.index(each[1]))):
        _move_to(control, held["started_at"] + at)
        if what == "created_at":
            ids[batch["id"]] = post(server, "", {"requests": batch["requests"]})["id"]
        elif what == "canceled_at":
            post(server, f"/{ids[batch['id']]}/cancel", {})
        else:
            control.end_batches([ids[batch["id"]]])
    _move_to(control, held["started_at"] + held["until"])
    return ids


def _move_to(control: SimulatorControl, moment: float) -> None:
    control.advance_clock(max(0.0, moment - control.now()))


def post(server: SimulatorServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Call the Message Batches API as another program would."""
    headers = {"x-api-key": server.api_key, "anthropic-version": "2023-06-01", "content-type": "application/json"}
    url = f"{server.base_url}/v1/messages/batches{path}"
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)  # noqa: S310  loopback
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def with_new_counts(counts: dict[str, int]) -> dict[str, int]:
    """Return the counts of a stored manifest with those that were added since."""
    return {**counts, "unreadable": 0, "invalid_row": 0}
