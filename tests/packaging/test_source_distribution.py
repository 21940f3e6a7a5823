"""The source distribution is enough to check the package: it has the docs and the tests, and they run."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, Built

EXAMPLES = "provider/airflow_provider_anthropic_batches/example_dags"  # a link, which becomes files

QUICK = "test_docs.py or test_mirror.py or test_public_modules.py"


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / built.sdist.name.removesuffix(".tar.gz")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone knows which files are the project's")
def test_it_holds_every_file_of_the_project(unpacked: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = [path for path in listed.splitlines() if (ROOT / path).is_file()]
    assert [path for path in kept if not (unpacked / path).is_file()] == []
    assert (unpacked / EXAMPLES / "passages_in_one_task.py").is_file()


def test_its_unit_tests_are_whole_and_run(unpacked: Path) -> None:
    done = run_pytest(unpacked, "tests/unit", "-k", QUICK)  # a file that cannot be collected fails the run, too
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder / "provider"), str(folder)))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
