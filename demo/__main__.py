"""``python -m demo``: a real Airflow runs the first example DAG against the simulator.

Invariants: the demonstration spends no money without ``--spend-real-money`` and a key. It does not touch the user's
Airflow. It leaves no process, however it ends.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from airflow_stack.api import AirflowApiError, DagRun, UnexpectedStateError
from airflow_stack.processes import StackError, end_leftovers
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from demo.progress import Progress, watch_run
from demo.summary import read_output, shortcomings, summary_lines

DAG_ID = "passages_step_by_step"
DAGS_FOLDER = Path(__file__).resolve().parents[1] / "dags"
PASSAGES = DAGS_FOLDER / "data" / "sotu_passages.jsonl"  # what the DAG asks about
_FAILURES = (StackError, AirflowApiError, UnexpectedStateError)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HOME_PREFIX = "anthropic-batches-demo-"
_SIMULATED_RUN_SECONDS = 300
_REAL_RUN_SECONDS = 25 * 3600  # a message batch ends or expires within 24 hours


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit code: 0, 1 (it failed) or 130 (interrupted)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.spend_real_money and not os.environ.get("ANTHROPIC_API_KEY"):
        parser.error("--spend-real-money needs an API key; set ANTHROPIC_API_KEY")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        with _home(keep=options.keep) as home:
            return _run(options, home)
    except _FAILURES as error:
        return _failed(error)
    except KeyboardInterrupt:
        print("\nInterrupted. All processes of the demonstration have been ended.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description=f"Run the DAG {DAG_ID} in an Airflow of its own."
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("DEMO_KEEP", "") not in ("", "0"),
        help="leave the UI running until Enter or Ctrl-C, and keep all files (also: DEMO_KEEP=1)",
    )
    parser.add_argument(
        "--batch-seconds", type=float, default=15, metavar="N", help="how long a simulated batch takes (default: 15)"
    )
    parser.add_argument(
        "--spend-real-money",
        action="store_true",
        help="send the requests to Anthropic's API, with the key in ANTHROPIC_API_KEY, instead of the simulator",
    )
    return parser


def _run(options: argparse.Namespace, home: Path) -> int:
    progress = Progress()
    with ExitStack() as running:
        simulator = None
        if options.spend_real_money:
            progress.say(_warning())
            connection = json.dumps({"conn_type": "anthropic_batches", "password": os.environ["ANTHROPIC_API_KEY"]})
        else:
            settings = {"batch_duration": options.batch_seconds}
            simulator = running.enter_context(SimulatorProcess(home / "simulator", settings))
            connection = simulator.airflow_connection_json
            progress.say(f"the simulator answers at {simulator.base_url}; no money is spent")
        dags = shutil.copytree(DAGS_FOLDER, home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        progress.say("starting Airflow: API server, scheduler, DAG processor, triggerer")
        env = {"AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection}
        stack = running.enter_context(AirflowStack(home / "airflow", dags, env=env))
        progress.say(f"Airflow is up at {stack.url}")
        try:
            code = _run_dag(stack, simulator, home / "output", progress)
        except _FAILURES as error:
            code = _failed(error)
        if options.keep:
            _wait_for_enter(stack.url)
        return code


def _run_dag(stack: AirflowStack, simulator: SimulatorProcess | None, output: Path, progress: Progress) -> int:
    control = simulator.control if simulator else None
    began = progress.elapsed()
    run = stack.api.trigger(DAG_ID, {"output": f"file://{output}"})
    progress.say(f"triggered {DAG_ID}: {_page(stack.url, run)}")
    timeout = _SIMULATED_RUN_SECONDS if simulator else _REAL_RUN_SECONDS
    if watch_run(stack.api, run, control, progress, timeout) != "success":
        print(f"\nThe run failed.\n{stack.api.describe(run)}", file=sys.stderr)
        return 1
    ended = progress.elapsed()
    print("\nSummary")
    reference, came_out = stack.api.xcom(run, "submit"), read_output(output)
    for line in summary_lines(reference, came_out, control):
        print(line)
    print(f"  times       Airflow up after {began:.0f} s, the run took {ended - began:.0f} s, {ended:.0f} s in total")
    print("  see it      make demo DEMO_ARGS=--keep keeps these files and leaves Airflow's UI running", flush=True)
    if wrong := shortcomings(reference, came_out, control):
        print(f"\nThe output is wrong: {'; '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def _warning() -> str:
    with PASSAGES.open("rb") as lines:
        requests = sum(1 for _ in lines)
    return f"THIS SPENDS REAL MONEY: {DAG_ID} sends {requests:,} requests to Anthropic's API with the key you gave"


def _page(url: str, run: DagRun) -> str:
    return f"{url}/dags/{run.dag_id}/runs/{run.run_id}"


def _wait_for_enter(url: str) -> None:
    print(f"\nAirflow's UI is at {url} (no login). Press Enter or Ctrl-C to end it.", flush=True)
    with suppress(KeyboardInterrupt, EOFError):
        input()


@contextmanager
def _home(*, keep: bool) -> Iterator[Path]:
    """Yield a new folder and remove it at the end unless ``keep``; first end the processes of crashed runs."""
    for old in Path(tempfile.gettempdir()).glob(f"{_HOME_PREFIX}*"):
        _clear_away(old)
    home = Path(tempfile.mkdtemp(prefix=_HOME_PREFIX))
    try:
        yield home
    finally:
        if keep:
            print(f"All files are kept in {home}", flush=True)
        else:
            shutil.rmtree(home, ignore_errors=True)


def _clear_away(old: Path) -> None:
    if old.stat().st_uid != os.getuid():
        return
    with suppress(StackError):  # a running demonstration uses it
        if sum(end_leftovers(old / part) for part in ("airflow", "simulator")):
            shutil.rmtree(old, ignore_errors=True)


def _failed(error: Exception) -> int:
    print(f"\nThe demonstration failed.\n{error}", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    for again in _SIGNALS:  # ending the processes takes two seconds and must not be interrupted
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
