"""The modules that operators load when a DAG is parsed, and triggers on the triggerer's loop: none heavy, few of ours.

``python -m benchmarks imports`` measures how long that takes.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy

MODULES = ["operators", "sensors", "triggers", "decorators", "sources"]
HEAVY = {"anthropic", "httpx2", "pyarrow", "pandas", "starlette", "uvicorn", "genai_prices", "msgspec", "pendulum"}

# Engine modules that an operator needs to check its arguments, and a trigger for its class: none imports a heavy one.
LIGHT_ENGINE = {
    "batches",
    "batches.batch_ids",
    "batches.cancellation",
    "batches.closing",
    "batches.file_options",
    "batches.frame_kinds",
    "batches.limits",
    "batches.output",
    "batches.output.column_choice",
    "batches.output.columns",
    "batches.output.failed_rows",
    "batches.output.user_columns",
    "batches.row_failures",
    "batches.output.formats",
    "batches.plurals",
    "batches.requests",
    "batches.requests.prompt_syntax",
    "batches.requests.question_rules",
    "batches.requests.repair_rules",
    "batches.requests.sdk_types",
    "batches.requests.wording",
    "batches.requests.wrong_shapes",
    "batches.verdicts",
}

SCRIPT = """
import json, sys
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
from importlib import import_module

loaded_by_airflow = set(sys.modules)
for module in sys.argv[1:]:
    import_module(module)
print(json.dumps(sorted(set(sys.modules) - loaded_by_airflow)))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Return the modules that importing ours loads in addition to those that Airflow has loaded."""
    modules = [f"anthropic_batches_provider.{name}" for name in MODULES]
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_them_loads_nothing_heavy(loaded: set[str]) -> None:
    assert not {module.partition(".")[0] for module in loaded} & HEAVY


def test_importing_them_loads_of_others_only_airflow_and_what_it_needs(loaded: set[str]) -> None:
    others = {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names
    assert others <= {"airflow", "anthropic_batches_provider", "pydantic"}


def test_importing_them_loads_of_the_engine_only_what_checks_arguments(loaded: set[str]) -> None:
    engine = {module.partition(".")[2] for module in loaded if module.startswith("anthropic_batches_provider.batches")}
    assert engine <= LIGHT_ENGINE


def test_checking_the_arguments_of_a_dag_loads_nothing_more_of_the_engine() -> None:
    script = """
import sys
from airflow.sdk import DAG
from anthropic_batches_provider.operators import MessageBatchEstimateOperator, MessageBatchOperator
from anthropic_batches_provider.operators import MessageBatchResultsOperator
from anthropic_batches_provider.sensors import MessageBatchSensor
before = set(sys.modules)
with DAG("d"):
    MessageBatchOperator(
        task_id="a", rows=[{"id": 1}], key="id", prompt="{{ row.id }}", model="m", max_tokens=1, destination="/a"
    )
    MessageBatchSensor(task_id="b", batch_ids=["msgbatch_1"])
    MessageBatchResultsOperator(task_id="c", batch_ids=["msgbatch_1"], destination="/b")
    MessageBatchEstimateOperator(
        task_id="d", rows=[{"id": 1}], prompt="x", model="m", max_tokens=1, dates=["2026-01-01"], output_share=0.5
    )
print(*sorted(name for name in set(sys.modules) - before if name.startswith("anthropic")))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.splitlines()[-1].strip() == ""


def test_collecting_into_json_lines_loads_nothing_of_tables_and_no_reader_of_rows(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from anthropic_batches_provider.batches.collection import collect_job, rows_for_xcom
from tests.worlds.ended_jobs import ended_job, succeeded
job = ended_job(Path(sys.argv[1]), [[succeeded("0123456789ab-0-0")]], [[b'{"id":1}']])
collect_job(job.folder, job.service, job.destination(output_format="jsonl.gz"), job.settings)
assert len(rows_for_xcom(job.folder, job.service, job.settings, max_bytes=1_000_000).rows) == 1
print(*(name.partition(".batches.")[2] for name in sys.modules if name.startswith("anthropic_batches_provider")))
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = set(ran.stdout.split())
    assert "output.json_lines" in loaded
    assert not [name for name in loaded if name.startswith(("output.table_", "output.staged_", "rows"))]


def test_nobody_imports_the_command_line(loaded: set[str]) -> None:
    assert not [module for module in loaded if module.startswith("anthropic_batches_provider.cli")]


def test_importing_the_package_itself_loads_nothing_else() -> None:
    script = """
import sys
before = set(sys.modules)
import anthropic_batches_provider
print(*sorted(set(sys.modules) - before))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == ["anthropic_batches_provider"]
