"""Makes ``written_by_…``: run manually, once, on the commit in its name, with Airflow 3.3.2 and anthropic 1.x.

    python -m tests.compatibility.make_fixtures           # on 1ed7f96
    python -m tests.compatibility.make_fixtures piloted   # on cd7f7de

The package itself writes everything, against the bundled simulator. ``dag.test()`` runs the DAGs of ``dags/``.
At chosen moments the program takes three things: the deferral that Airflow would store, from the task runner's own
message; XComs and task states, from Airflow's database; and the local folder as it is.

The program sets the time of the simulator and of the worker, and numbers random names. A second run therefore writes
the same, except for the ids of runs, and for the names and contents of part records, which hold a hash of the output's
location. The program reaches into the package in a few places, and need not run on any later commit.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from importlib.metadata import entry_points
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import tests.conftest  # noqa: F401  # an AIRFLOW_HOME of its own, before anything imports Airflow
from tests.compatibility.stored import FOLDER, PILOTED, SERVICE, STORED, class_at, simulator

START = 1_795_154_400.0  # 2026-11-20T06:00Z
HOUR = 3600.0


class StoppedError(BaseException):
    """Leaves the run as it is, once everything needed has been taken."""


@dataclass
class Case:
    """A folder, a service and a storage, in which DAGs run until they are stopped."""

    name: str
    folder: Path
    server: Any
    stored: Path = STORED
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    deferred: dict[str, Any] = field(default_factory=dict)
    at_deferral: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)

    @property
    def control(self) -> Any:
        return self.server.control

    def add_outcome(self, **rule: Any) -> None:
        self.outcomes.append(rule)
        self.control.add_outcome(**rule)

    def pass_time(self, seconds: float = 60.0) -> None:
        self.control.advance_clock(seconds)

    def end(self, _: object = None) -> None:
        """Let running batches end after an hour."""
        self.pass_time(HOUR)
        self.control.end_batches()

    def take(self, moment: str = "deferred") -> Callable[[dict[str, Any]], None]:
        """Return a function that takes a deferral and then leaves the run."""

        def taken(deferral: dict[str, Any]) -> None:
            self.keep(deferral, moment)
            raise StoppedError

        return taken

    def keep(self, deferral: dict[str, Any], moment: str) -> None:
        tasks = xcoms_of(deferral["dag_id"])
        tasks[deferral["task_id"]]["deferred"] = deferral["deferred"]
        self.deferred[moment] = tasks

    def run(self, dag: str, *at_deferral: Callable[[dict[str, Any]], None], **conf: Any) -> None:
        """Run a DAG; hand each deferral to the next callable, and wait it out if that returns."""
        from tests.dags.conftest import LOGICAL_DATE, DagRunner, known_dags_folder

        self.at_deferral = list(at_deferral)
        folder = known_dags_folder()
        for file in (Path(__file__).parent / "dags").glob("*.py"):
            shutil.copy(file, folder)
        sys.path.insert(0, str(folder))
        try:
            DagRunner(folder).run(dag, {"folder": str(self.folder), **conf}, logical_date=LOGICAL_DATE)
        except StoppedError:
            from airflow import settings

            session: Any = settings.Session
            session().rollback()
            session.remove()

    def snapshot(self, name: str | None = None) -> None:
        """Write the case as it is now."""
        target = self.stored / (name or self.name)
        shutil.rmtree(target, ignore_errors=True)
        for source in sorted(self.folder.rglob("*")):
            if source.is_file():
                file = target / "files" / source.relative_to(self.folder)
                write(file, self.placed(source.read_text()))
        for moment, tasks in self.deferred.items():
            write(target / "deferred" / f"{moment}.json", self.placed(shown(tasks)))
        lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in self.held()]
        write(target / "service.jsonl", self.placed("".join(lines)))

    def placed(self, text: str) -> str:
        return text.replace(str(self.folder), FOLDER).replace(self.server.base_url, SERVICE)

    def held(self) -> Iterator[dict[str, Any]]:
        """Return the content of the service, with moments in seconds after its start: its state, then each batch."""
        api = self.server.simulator
        start, now = api.clock.start, api.clock.now()
        yield {"started_at": start, "until": now - start, "outcomes": self.outcomes}
        for batch in api.batches():
            yield {
                "id": batch.id,
                "created_at": batch.created_at - start,
                "canceled_at": None if batch.cancel_initiated_at is None else batch.cancel_initiated_at - start,
                "ended_at": batch.ends_at - start if batch.has_ended(now) else None,
                "requests": [
                    {"custom_id": request.custom_id, "params": json.loads(bytes(request.params))}
                    for request in batch.requests
                ],
            }


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def shown(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def xcoms_of(dag_id: str) -> dict[str, Any]:
    """Return the XComs and task states of each task of a DAG that has any."""
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    tasks: dict[str, Any] = {}
    with create_session() as session:
        for row in session.scalars(select(XComModel).where(XComModel.dag_id == dag_id).order_by(XComModel.key)):
            kept = tasks.setdefault(row.task_id, {"xcoms": {}, "task_state": {}, "deferred": None})
            name = row.key if row.map_index < 0 else f"{row.key}[{row.map_index}]"
            kept["xcoms"][name] = XComModel.deserialize_value(row)
        for state in session.scalars(select(TaskStateStoreModel).where(TaskStateStoreModel.dag_id == dag_id)):
            tasks[state.task_id]["task_state"][state.key] = json.loads(state.value)
    return tasks


@contextmanager
def case(name: str, hours: int, rows: int = 0) -> Iterator[Case]:
    """Yield a case in which the simulator sets all time and each random name is the next number."""
    import pendulum

    from anthropic_batches_provider import sensors
    from anthropic_batches_provider.batches.clock import SystemClock

    numbers = count()

    def token_hex(size: int = 32) -> str:
        return blake2b(f"{name}:{next(numbers)}".encode(), digest_size=size).hexdigest()

    with tempfile.TemporaryDirectory() as folder, simulator(START + hours * HOUR) as server:
        now = server.simulator.clock.now
        server.control.change_settings(batch_duration=20 * HOUR)
        made = Case(name, Path(folder), server)
        if rows:
            lines = [{"number": n, "text": f"passage {n}", "year": 1790 + n} for n in range(rows)]
            write(made.folder / "rows.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        environment = {
            "AIRFLOW_CONN_ANTHROPIC_DEFAULT": json.dumps(
                {"conn_type": "anthropic_batches", "host": server.base_url, "password": server.api_key}
            ),
            "AIRFLOW__ANTHROPIC_BATCHES__STORAGE": (made.folder / "storage").as_uri(),
        }
        with (
            patch.dict(os.environ, environment),
            patch.object(secrets, "token_hex", token_hex),
            patch.object(SystemClock, "now", lambda _: pendulum.from_timestamp(now())),
            patch.object(pendulum, "now", lambda zone=None: pendulum.from_timestamp(now())),
            patch.object(sensors, "time", SimpleNamespace(time=now)),
            deferrals_of(made),
        ):
            yield made


@contextmanager
def deferrals_of(made: Case) -> Iterator[None]:
    """Hand each deferral, as the task runner reports it to Airflow, to the case's next callable."""
    from airflow.sdk.execution_time import supervisor
    from airflow.sdk.execution_time.comms import DeferTask
    from airflow.sdk.serde import deserialize

    run_task = supervisor.run_task_in_process

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = run_task(*args, **kwargs)
        if isinstance(result.msg, DeferTask) and made.at_deferral:
            message = result.msg
            seconds = message.trigger_timeout
            deferral = {
                "dag_id": result.ti.dag_id,
                "task_id": result.ti.task_id,
                "deferred": {
                    "class_path": message.classpath,
                    "trigger_kwargs": deserialize(message.trigger_kwargs),  # type: ignore[type-var]
                    "method_name": message.next_method,
                    "method_kwargs": deserialize(message.next_kwargs) if message.next_kwargs else {},
                    "timeout_seconds": seconds.total_seconds() if isinstance(seconds, timedelta) else None,
                },
            }
            made.at_deferral.pop(0)(deferral)
        return result

    with patch.object(supervisor, "run_task_in_process", watched):
        yield


def in_doubt() -> None:
    with case("in_doubt", 0, rows=10) as made:
        out = str(made.folder / "out")
        made.control.add_fault("create", "drop_after_commit", nth=2)

        def outage(deferral: dict[str, Any]) -> None:
            made.keep(deferral, "deferred")
            made.pass_time(600)
            made.control.add_fault("any", "status", status=503, times=None)

        made.run("kept_labels", outage, made.take("deferred_by_an_outage"), destination=out)
        made.snapshot()


def finished() -> None:
    with case("finished", 1, rows=10) as made:
        made.add_outcome(result="errored", text_matches="passage 5$", error_type="invalid_request_error")
        made.run("kept_labels", made.end, made.end, destination=str(made.folder / "out"))
        made.deferred["ended"] = xcoms_of("kept_labels")
        made.snapshot()


def second_round() -> None:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.io import attach
    from fsspec.implementations.memory import MemoryFileSystem

    attach("memory", fs=MemoryFileSystem())
    with case("second_round", 2, rows=10) as made:
        # In memory, so that the folder has the same URI in every process.
        out = ObjectStoragePath("memory://kept/second_round")
        made.add_outcome(
            result="errored", text_matches="passage 5$", error_type="overloaded_error", first_submissions=1
        )
        made.run("kept_labels", made.end, made.end, made.take(), destination=str(out))
        for file in out.iterdir():
            write(made.folder / "out" / file.name, file.read_text())
        made.snapshot()


def replaced() -> None:
    with case("replaced", 3, rows=4) as made:
        made.run("kept_restart", made.take("deferred_before"))
        made.pass_time(HOUR)
        made.run("kept_restart", made.take(), system="Be very brief.")
        made.snapshot()


def timed() -> None:
    with case("timed", 4) as made:
        made.run("kept_timed", made.take())
        made.snapshot()


def in_steps() -> None:
    with case("window", 5, rows=6) as made:
        made.add_outcome(
            result="errored", text_matches="passage 2$", error_type="overloaded_error", first_submissions=1
        )

        def submitting(deferral: dict[str, Any]) -> None:
            made.keep(deferral, "deferred")
            made.snapshot("window")
            made.deferred.clear()
            made.end()

        def waiting(deferral: dict[str, Any]) -> None:
            made.keep(deferral, "deferred")
            made.keep(started_in_triggerer(deferral), "started_in_triggerer")
            made.snapshot("waiting")
            made.end()

        made.run("kept_steps", submitting, waiting)
        made.deferred.clear()
        made.deferred["ended"] = xcoms_of("kept_steps")
        made.snapshot("collected")


def started_in_triggerer(deferral: dict[str, Any]) -> dict[str, Any]:
    """Store what Airflow 3.3 keeps of the same sensor if its DAG says that it starts in the triggerer."""
    from anthropic_batches_provider.sensors import MessageBatchSensor

    ids = deferral["deferred"]["trigger_kwargs"]["batch_ids"]
    sensor = MessageBatchSensor(task_id="wait", batch_ids=ids, poke_interval=30, start_in_triggerer=True)
    started = sensor.start_trigger_args
    assert started is not None
    return {
        **deferral,
        "deferred": {
            "class_path": started.trigger_cls,
            "trigger_kwargs": started.trigger_kwargs,
            "method_name": started.next_method,
            "method_kwargs": started.next_kwargs or {},
            "timeout_seconds": started.timeout.total_seconds() if started.timeout is not None else None,
        },
    }


def questions() -> None:
    with case("questions", 6) as made:
        made.control.change_settings(batch_duration=0)
        made.run("kept_questions")
        tasks = xcoms_of("kept_questions").items()
        made.deferred["ended"] = {
            task_id: {"xcoms": {key: value for key, value in kept["xcoms"].items() if key.startswith("return_value")}}
            for task_id, kept in tasks
        }
        made.snapshot()


class AssetState:
    """The store that Airflow 3.3 gives an event trigger for the values of one asset."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = value


def watched() -> None:
    from anthropic_batches_provider.event_triggers import MessageBatchEventTrigger
    from anthropic_batches_provider.hooks import MessageBatchHook

    async def told() -> None:
        state = AssetState()
        trigger = MessageBatchEventTrigger(poll_interval=0.05, with_results=["succeeded"])
        trigger.asset_state_store = state  # type: ignore[assignment]  # as Airflow sets it
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(anext(events))
            while not state.kept:  # noqa: ASYNC110  # its keeper sends no signal
                await asyncio.sleep(0.05)
            await asyncio.to_thread(create)
            event = await waiting
            waiting = asyncio.ensure_future(anext(events))
            while not next(iter(state.kept.values()))["told"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.wait([waiting])
        class_path, kwargs = trigger.serialize()
        made.deferred["watching"] = {
            "class_path": class_path,
            "trigger_kwargs": kwargs,
            "event": event.payload,
            "asset_state": state.kept,
        }

    def create() -> None:
        params = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
        made.pass_time()
        MessageBatchHook().create_batch([{"custom_id": "1", "params": params}])
        made.end()

    with case("watched", 7) as made:
        asyncio.run(told())
        made.snapshot()


OPERATORS = {
    "anthropic_batches_provider.operators.MessageBatchSubmitOperator": ("resume",),
    "anthropic_batches_provider.operators.MessageBatchOperator": ("resume",),
    "anthropic_batches_provider.decorators.MessageBatchDecoratedOperator": ("resume",),
    "anthropic_batches_provider.operators.MessageBatchResultsOperator": (),
    "anthropic_batches_provider.operators.MessageBatchCancelOperator": (),
    "anthropic_batches_provider.sensors.MessageBatchSensor": ("execute_complete",),
}
USERS_IMPORT = (
    *OPERATORS,
    "anthropic_batches_provider.hooks.MessageBatchHook",
    "anthropic_batches_provider.triggers.MessageBatchTrigger",
    "anthropic_batches_provider.event_triggers.MessageBatchEventTrigger",
)


def names() -> None:
    from anthropic_batches_provider.event_triggers import MessageBatchEventTrigger
    from anthropic_batches_provider.provider_info import DISTRIBUTION, get_provider_info
    from anthropic_batches_provider.start_triggers import MessageBatchStartTrigger
    from anthropic_batches_provider.triggers import MessageBatchTrigger

    info = get_provider_info()
    triggers = (
        MessageBatchTrigger(["msgbatch_a"], "anthropic_default", 60.0),
        MessageBatchTrigger(("msgbatch_a", "msgbatch_b"), "c", 30.0, 1.5e9, "any", ("msgbatch_b",)),
        MessageBatchStartTrigger("{{ params.ids }}", "anthropic_default", 60.0, 93_600.0),
        MessageBatchStartTrigger(["msgbatch_a"], "c", 30.0, 60.0, cancel_on_kill=True),
        MessageBatchEventTrigger(),
        MessageBatchEventTrigger("c", 30, ["succeeded", "expired"]),
    )
    stored = {
        "triggers": [
            dict(zip(("class_path", "trigger_kwargs"), trigger.serialize(), strict=True)) for trigger in triggers
        ],
        "operators": {
            path: {
                "deferred_to": methods,
                "extra_links": [
                    {"class_path": path_of(type(link)), "name": link.name, "xcom_key": link.xcom_key}
                    for link in class_at(path).operator_extra_links
                ],
            }
            for path, methods in OPERATORS.items()
        },
        "users_import": [path for path in USERS_IMPORT if class_at(path)],
        "provider_info": {
            "hook_classes": {each["connection-type"]: each["hook-class-name"] for each in info["connection-types"]},
            "connection_fields": {
                each["connection-type"]: sorted(each["conn-fields"]) for each in info["connection-types"]
            },
            "extra_links": info["extra-links"],
            "task_decorators": {each["name"]: each["class-name"] for each in info["task-decorators"]},
            "modules": {
                kind: [name for group in info[kind] for name in group["python-modules"]]
                for kind in ("hooks", "operators", "sensors", "triggers")
            },
            "options": {section: sorted(each["options"]) for section, each in info["config"].items()},
        },
        "entry_points": {
            group: {
                each.name: each.value
                for each in entry_points(group=group)
                if each.dist and each.dist.name == DISTRIBUTION
            }
            for group in ("apache_airflow_provider", "pytest11")
        },
    }
    write(STORED / "names.json", shown(stored))


def path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def piloted() -> None:
    with case("piloted", 8, rows=10) as made:
        made.stored = PILOTED
        made.add_outcome(result="errored", error_type="overloaded_error", times=3)
        names = iter(("piloted", "piloted_again", "piloted_rest"))

        def waiting(deferral: dict[str, Any]) -> None:
            made.keep(deferral, "deferred")
            made.snapshot(next(names))
            made.deferred.clear()
            made.end()

        def stopped(deferral: dict[str, Any]) -> None:
            waiting(deferral)
            raise StoppedError

        made.run("kept_pilot", waiting, waiting, stopped)


MAKERS = (in_doubt, finished, second_round, replaced, timed, in_steps, questions, watched, names)


def main() -> None:
    """Make each case in a process of its own, since each leaves a run of Airflow behind."""
    for maker in MAKERS:
        subprocess.run([sys.executable, "-m", "tests.compatibility.make_fixtures", maker.__name__], check=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        next(maker for maker in (*MAKERS, piloted) if maker.__name__ == sys.argv[1])()
    else:
        main()
