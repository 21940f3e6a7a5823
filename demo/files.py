"""The folders of demonstrations, among the temporary files: each is kept until ``--clean`` removes it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from airflow_stack.processes import StackError, end_leftovers

_PREFIX = "anthropic-batches-demo-"
AIRFLOW, SIMULATOR, OUTPUT = "airflow", "simulator", "output"  # the parts of a folder


def new_home() -> Path:
    """Return a new folder; first end the processes that crashed demonstrations left behind."""
    for old in _homes():
        with suppress(StackError):  # a running demonstration uses it
            _end_processes(old)
    return Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()


def remove_homes() -> tuple[list[Path], list[Path]]:
    """Remove the folders of all demonstrations that do not run.

    :returns: the removed folders, and those that a running demonstration uses.
    """
    removed, used = [], []
    for old in _homes():
        try:
            _end_processes(old)
        except StackError:
            used.append(old)
        else:
            shutil.rmtree(old, ignore_errors=True)
            removed.append(old)
    return removed, used


def _homes() -> Iterator[Path]:
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        if folder.stat().st_uid == os.getuid():
            yield folder


def _end_processes(home: Path) -> None:
    for part in (AIRFLOW, SIMULATOR):
        end_leftovers(home / part)
