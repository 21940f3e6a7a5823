"""The outcome of the demonstration, read from the files that the DAG wrote, not from its own report."""

import gzip
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_batches_provider.simulator import SimulatorControl
from demo.progress import counted

_LABEL_WIDTH = 12


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A part file and how many rows it holds."""

    path: Path
    rows: int

    def __str__(self) -> str:
        return f"{self.path} ({counted(self.rows, 'row')}, {self.path.stat().st_size:,} bytes)"


@dataclass(frozen=True, slots=True)
class Output:
    """All rows that the DAG wrote, counted."""

    files: list[OutputFile]
    manifests: list[Path]
    result_types: Mapping[str, int]
    tokens: Mapping[str, int]
    first_row: dict[str, Any] | None

    @property
    def rows(self) -> int:
        """The rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def batches(self) -> int:
        """The message batches that the manifests name."""
        manifests = [json.loads(manifest.read_bytes()) for manifest in self.manifests]
        return sum(len(manifest["batch_ids"]) for manifest in manifests)


def read_output(folder: Path) -> Output:
    """Read the JSON Lines files below ``folder``."""
    paths = sorted(path for path in folder.rglob("*") if path.name.endswith((".jsonl", ".jsonl.gz")))
    files: list[OutputFile] = []
    first_row: dict[str, Any] | None = None
    result_types: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for path in paths:
        before = result_types.total()
        for row in _rows(path):
            result_types[row["result_type"]] += 1
            tokens.update(_token_counts(row.get("usage") or {}))
            first_row = first_row or row
        files.append(OutputFile(path, result_types.total() - before))
    return Output(files, sorted(folder.rglob("_manifest.json")), result_types, tokens, first_row)


def summary_lines(rows_in: int, output: Output, control: SimulatorControl | None) -> Iterator[str]:
    """Yield lines that say what was asked, what came back and what was billed.

    :param rows_in: the rows that the DAG reads.
    :param control: the simulator's control API; None with the real API.
    """
    yield _line("rows in", f"{rows_in:,} in {counted(output.batches, 'message batch', 'es')}")
    yield _line("results", _counts(output.result_types) or "none")
    yield _line("tokens", _counts(output.tokens) or "none")
    yield from _listed("files", [*map(str, output.files), *map(str, output.manifests)])
    if control is not None:
        billing = control.billing()
        times = (
            "each once" if billing.max_times_billed <= 1 else f"{billing.repeated_requests:,} OF THEM MORE THAN ONCE"
        )
        yield _line("billed", f"{billing.rows_billed:,} requests by the simulator, {times}; real money: none")


def answer_lines(output: Output, *, is_simulated: bool) -> Iterator[str]:
    """Yield the first row of the output, whole.

    :param output: has a row.
    """
    invented = " (the simulator invents the labels)" if is_simulated else ""
    yield f"\nOne answer, whole, as it is in the first file{invented}:"
    yield json.dumps(output.first_row, ensure_ascii=False, indent=2)


def next_lines(output: Output, root: Path) -> Iterator[str]:
    """Yield three commands to try next, which can be pasted as they are, each with its effect.

    :param output: has a file and a manifest.
    :param root: the folder of the Makefile.
    """
    commands = {
        f"head -n 3 {_quoted(output.files[0].path)}": "the first rows of the output, one for each passage",
        f"{_quoted(Path(sys.executable))} -m json.tool {_quoted(output.manifests[0])}": (
            "the manifest: counts, tokens, batches and files of the job"
        ),
        f"make -C {_quoted(root)} demo DEMO_ARGS=--ui": (
            "the same again, and Airflow's UI stays, where you can clear the task: nothing is paid twice"
        ),
    }
    yield "\nTry next:"
    for command, effect in commands.items():
        yield f"  {command}"
        yield f"      {effect}"


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def shortcomings(rows_in: int, output: Output, control: SimulatorControl | None) -> list[str]:
    """Return what is wrong: a row that is missing or written twice, a request that was billed twice.

    :param rows_in: as :func:`summary_lines`.
    """
    found = []
    if output.rows != rows_in:
        found.append(f"{rows_in:,} rows went in and {output.rows:,} came out")
    if len(output.manifests) != 1:
        found.append(f"there are {len(output.manifests):,} manifests, not one")
    if control is not None and (repeated := control.billing().repeated_requests):
        found.append(f"{counted(repeated, 'request')} billed more than once")
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def _token_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    return {name: value for name, value in usage.items() if name.endswith("_tokens") and isinstance(value, int)}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.removesuffix('_tokens')}" for name, count in counts.items() if count)


def _listed(label: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield _line(label, value)
        label = ""


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"
