"""The files of the demo: a folder of its own, which is kept, with the DAG, Airflow's home, its log and the output."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from anthropic_batches_provider.errors import ConfigurationError

_DAG = "label_reviews.py"
_PREFIX = "anthropic-batches-try-"


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """The files below one folder."""

    folder: Path

    @property
    def airflow_home(self) -> Path:
        return self.folder / "airflow_home"

    @property
    def dag(self) -> Path:
        return self.airflow_home / "dags" / _DAG

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def log(self) -> Path:
        return self.folder / "airflow.log"

    def published(self) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return the manifest and the rows that the DAG has published; None if there are none."""
        manifest_path = next(self.output.glob("*/_manifest.json"), None)
        if manifest_path is None:
            return None
        manifest: dict[str, Any] = json.loads(manifest_path.read_text())
        rows: list[dict[str, Any]] = []
        for part in manifest["parts"]:
            with (manifest_path.parent / part["name"]).open(encoding="utf-8", newline="\n") as lines:
                rows += map(json.loads, lines)
        return manifest, rows


def make_files(folder: Path | None) -> DemoFiles:
    """Make the folder, and put the DAG into it.

    :param folder: an empty or new folder; None for a new one among the temporary files.
    :raises ConfigurationError: the folder has files already, or cannot be written.
    """
    try:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX)) if folder is None else _empty(folder.absolute())
        demo = DemoFiles(made.resolve())
        demo.dag.parent.mkdir(parents=True)
        content = (files("anthropic_batches_provider.cli.demo") / _DAG).read_text(encoding="utf-8")
        demo.dag.write_text(content, encoding="utf-8")
    except OSError as error:
        where = tempfile.gettempdir() if folder is None else folder
        raise ConfigurationError(
            f"The demo cannot write to {where}: {error.strerror or error}. Choose another folder with --folder. "
            "Nothing was started."
        ) from error
    return demo


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigurationError(
            f"{folder} has files already. Give --folder a new or an empty folder: the demo overwrites nothing. Nothing "
            "was started."
        )
    return folder
