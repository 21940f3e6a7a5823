"""``python -m demo``: a real Airflow runs the one-task example DAG against the simulator.

Invariants: the demonstration spends no money without ``--spend-real-money`` and a key. It does not touch the user's
Airflow. It leaves no process, however it ends. It keeps its files until ``--clean``.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from airflow_stack.api import AirflowApiError, DagRun, UnexpectedStateError
from airflow_stack.processes import StackError
from airflow_stack.simulator_process import SimulatorProcess
from airflow_stack.stack import AirflowStack
from anthropic_batches_provider.simulator import SimulatorControl
from demo.files import AIRFLOW, OUTPUT, SIMULATOR, new_home, remove_homes
from demo.progress import Progress, watch_run
from demo.summary import Output, answer_lines, next_lines, read_output, shortcomings, summary_lines

DAG_ID = "passages_in_one_task"
ROOT = Path(__file__).resolve().parents[1]
DAGS_FOLDER = ROOT / "dags"
PASSAGES = DAGS_FOLDER / "data" / "sotu_passages.jsonl"  # what the DAG asks about
_FAILURES = (StackError, AirflowApiError, UnexpectedStateError, OSError)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIMULATED_RUN_SECONDS = 300
_REAL_RUN_SECONDS = 25 * 3600  # a message batch ends or expires within 24 hours
_RETRY_SECONDS = 5  # on a machine so busy that Airflow loses a worker, the task continues soon
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration and return the exit code: 0, 1 (it failed) or 130 (interrupted)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.clean:
        return _clean()
    if options.spend_real_money and not os.environ.get("ANTHROPIC_API_KEY"):
        parser.error("--spend-real-money needs an API key; set ANTHROPIC_API_KEY")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    home = new_home()
    try:
        code = _run(options, home)
    except _FAILURES as error:
        code = _failed(error)
    except KeyboardInterrupt:
        print("\nInterrupted. All processes of the demonstration have ended.", file=sys.stderr)
        code = _INTERRUPTED
    if code:
        print(_kept(home), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description=f"Run the DAG {DAG_ID} in an Airflow of its own."
    )
    parser.add_argument(
        "--ui",
        action="store_true",
        default=os.environ.get("DEMO_UI", "") not in ("", "0"),
        help="at the end, leave Airflow's UI running until Enter or Ctrl-C (also: DEMO_UI=1)",
    )
    parser.add_argument(
        "--clean", action="store_true", help="remove the files of all demonstrations that do not run, and do no more"
    )
    parser.add_argument(
        "--batch-seconds", type=float, default=5, metavar="N", help="how long a simulated batch takes (default: 5)"
    )
    parser.add_argument(
        "--spend-real-money",
        action="store_true",
        help="send the requests to Anthropic's API, with the key in ANTHROPIC_API_KEY, instead of the simulator",
    )
    return parser


def _clean() -> int:
    removed, used = remove_homes()
    for home in removed:
        print(f"Removed {home}")
    for home in used:
        print(f"Kept {home}: a demonstration runs there")
    if not removed and not used:
        print("There are no files of a demonstration.")
    return 0


def _run(options: argparse.Namespace, home: Path) -> int:
    progress = Progress(steps=2 if options.spend_real_money else 3)
    print(
        f"This runs the DAG {DAG_ID}: {_passages():,} passages of speeches go in, {_passages():,} labels come out.\n"
        "One task submits them as message batches, waits for the batches and collects the answers.\n"
        f"Files: {home}\n",
        flush=True,
    )
    with ExitStack() as running:
        simulator, connection = None, _real_connection()
        if options.spend_real_money:
            progress.say(
                f"THIS SPENDS REAL MONEY: it sends {_passages():,} requests to Anthropic's API with the key you gave"
            )
        else:
            with progress.step("Start a simulator of the API"):
                settings = {"batch_duration": options.batch_seconds}
                simulator = running.enter_context(SimulatorProcess(home / SIMULATOR, settings))
                progress.say(f"the simulator answers at {simulator.base_url}; no money is spent")
            connection = simulator.airflow_connection_json
        with progress.step("Start Airflow: API server, scheduler, DAG processor, triggerer"):
            dags = shutil.copytree(DAGS_FOLDER, home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
            env = {
                "AIRFLOW_CONN_ANTHROPIC_DEFAULT": connection,
                "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": str(_RETRY_SECONDS),
            }
            stack = running.enter_context(AirflowStack(home / AIRFLOW, dags, env=env))
            progress.say(f"Airflow is up at {stack.url}")
        with _ui_at_the_end(stack.url) if options.ui else ExitStack():
            return _run_dag(stack, simulator, home, progress)


def _run_dag(stack: AirflowStack, simulator: SimulatorProcess | None, home: Path, progress: Progress) -> int:
    control = simulator.control if simulator else None
    with progress.step(f"Run the DAG {DAG_ID}"):
        run = stack.api.trigger(DAG_ID, {"output": f"file://{home / OUTPUT}"})
        progress.say(f"its page: {_page(stack.url, run)}")
        timeout = _SIMULATED_RUN_SECONDS if simulator else _REAL_RUN_SECONDS
        state = watch_run(stack.api, run, control, progress, timeout)
    if state != "success":
        print(f"\nThe run failed.\n{stack.api.describe(run)}", file=sys.stderr)
        return 1
    return _report(read_output(home / OUTPUT), control, home, progress)


def _report(output: Output, control: SimulatorControl | None, home: Path, progress: Progress) -> int:
    print("\nSummary")
    for line in (*summary_lines(_passages(), output, control), *progress.summary_lines()):
        print(line)
    wrong = shortcomings(_passages(), output, control)
    if wrong:
        print(f"\nThe output is wrong: {'; '.join(wrong)}", file=sys.stderr)
        return 1
    for line in (
        *answer_lines(output, is_simulated=control is not None),
        f"\n{_kept(home)}",
        *next_lines(output, ROOT),
    ):
        print(line, flush=True)
    return 0


def _passages() -> int:
    with PASSAGES.open("rb") as lines:
        return sum(1 for _ in lines)


def _real_connection() -> str:
    return json.dumps({"conn_type": "anthropic_batches", "password": os.environ.get("ANTHROPIC_API_KEY", "")})


def _page(url: str, run: DagRun) -> str:
    return f"{url}/dags/{run.dag_id}/runs/{run.run_id}"


@contextmanager
def _ui_at_the_end(url: str) -> Iterator[None]:
    """Wait for Enter at the end, whether the run went well or failed."""
    try:
        yield
    except _FAILURES as error:
        print(f"\n{error}", file=sys.stderr)
        raise
    finally:
        if not isinstance(sys.exception(), KeyboardInterrupt):
            print(f"\nAirflow's UI is at {url} (no login). Press Enter or Ctrl-C to end it.", flush=True)
            with suppress(KeyboardInterrupt, EOFError):
                input()


def _kept(home: Path) -> str:
    return (
        f"All files are kept in {home}\n"
        f"Remove the files of all demonstrations with: make -C {shlex.quote(str(ROOT))} demo DEMO_ARGS=--clean"
    )


def _failed(error: Exception) -> int:
    print(f"\nThe demonstration failed.\n{error}", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    for again in _SIGNALS:  # ending the processes takes two seconds and must not be interrupted
        signal.signal(again, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
