"""The example DAGs of the installed wheel, as Airflow finds and loads them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import pytest

from tests.packaging.conftest import ROOT, Built

PACKAGE = "airflow_provider_anthropic_batches"
EXAMPLES = ROOT / "dags"
FOUND_BY_AIRFLOW = tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 3)

LOAD = """
import json, sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # below 3.2
    from airflow.models.dagbag import DagBag
found = {bundle.name: bundle.path for bundle in DagBundlesManager().get_all_dag_bundles()}
bag = DagBag(str(found[sys.argv[1]]))
print("RESULT", json.dumps({"folder": str(found[sys.argv[1]]), "dags": sorted(bag.dags), "errors": bag.import_errors}))
"""


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder where the wheel alone is installed; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    command = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(built.wheel)]
    subprocess.run([sys.executable, *command], check=True)
    return folder


def loaded(installed: Path, home: Path, bundle: str, **environment: str) -> tuple[dict[str, Any], str]:
    """Return what Airflow loads from a bundle in a process of its own, and all that it logs."""
    env = os.environ | {"PYTHONPATH": str(installed), "AIRFLOW_HOME": str(home)} | environment
    done = subprocess.run(
        [sys.executable, "-c", LOAD, bundle],
        env=env,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = re.findall(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    return json.loads(result), done.stdout + done.stderr


def check_loaded(result: dict[str, Any], installed: Path) -> None:
    assert result["folder"] == str(installed / PACKAGE / "example_dags")
    assert result["errors"] == {}
    assert result["dags"] == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.skipif(not FOUND_BY_AIRFLOW, reason="Airflow below 3.3 looks for the examples of no provider")
def test_airflow_finds_every_example_and_logs_no_error(installed: Path, tmp_path: Path) -> None:
    result, log = loaded(
        installed, tmp_path, "airflow-provider-anthropic-batches-example-dags", AIRFLOW__CORE__LOAD_EXAMPLES="True"
    )
    check_loaded(result, installed)
    assert [line for line in log.splitlines() if re.search(r"\berror\b|Traceback", line, re.IGNORECASE)] == []


def test_the_examples_are_a_bundle_that_any_airflow_loads(installed: Path, tmp_path: Path) -> None:
    bundle = {
        "name": "examples",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(installed / PACKAGE / "example_dags")},
    }
    result, _ = loaded(
        installed, tmp_path, "examples", AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=json.dumps([bundle])
    )
    check_loaded(result, installed)


def test_the_wheel_has_the_files_of_the_clone(installed: Path) -> None:
    in_the_wheel, in_the_clone = contents(installed / PACKAGE / "example_dags"), contents(EXAMPLES)
    assert in_the_wheel == in_the_clone
    assert Path("data/sotu_passages.jsonl") in in_the_wheel


def test_in_a_clone_the_examples_are_found_where_the_docs_show_them() -> None:
    """Also in an editable install, where Airflow imports from ``provider/``."""
    assert contents(ROOT / "provider" / PACKAGE / "example_dags") == contents(EXAMPLES)


def contents(folder: Path) -> dict[Path, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in found}
