"""The outcome of the demonstration, read from the files that the DAG wrote, not from its own report."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_batches_provider.simulator import SimulatorControl
from demo.progress import counted

_WIDTH = 140
_NOT_SHOWN = frozenset({"custom_id", "batch_id", "model", "usage", "stop_reason"})
_LABEL_WIDTH = 12


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A part file and how many rows it holds."""

    path: Path
    rows: int

    def __str__(self) -> str:
        return f"file://{self.path} ({counted(self.rows, 'row')}, {self.path.stat().st_size:,} bytes)"


@dataclass(frozen=True, slots=True)
class Output:
    """All rows that the DAG wrote, counted."""

    files: list[OutputFile]
    manifests: list[Path]
    result_types: Mapping[str, int]
    tokens: Mapping[str, int]
    first_rows: list[dict[str, Any]]

    @property
    def rows(self) -> int:
        """The rows in all files."""
        return sum(file.rows for file in self.files)


def read_output(folder: Path) -> Output:
    """Read the JSON Lines files below ``folder``."""
    paths = sorted(path for path in folder.rglob("*") if path.name.endswith((".jsonl", ".jsonl.gz")))
    files: list[OutputFile] = []
    first_rows: list[dict[str, Any]] = []
    result_types: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for path in paths:
        before = result_types.total()
        for row in _rows(path):
            result_types[row["result_type"]] += 1
            tokens.update(_token_counts(row.get("usage") or {}))
            if len(first_rows) < 2:
                first_rows.append(row)
        files.append(OutputFile(path, result_types.total() - before))
    return Output(files, sorted(folder.rglob("_manifest.json")), result_types, tokens, first_rows)


def summary_lines(reference: Mapping[str, Any], output: Output, control: SimulatorControl | None) -> Iterator[str]:
    """Yield lines that say what was asked, what came back and what was billed.

    :param reference: the job reference that the submit task returned.
    :param control: the simulator's control API; None with the real API.
    """
    yield _line(
        "rows in", f"{reference['requests']:,} in {counted(len(reference['batch_ids']), 'message batch', 'es')}"
    )
    yield _line("results", _counts(output.result_types) or "none")
    yield _line("tokens", _counts(output.tokens) or "none")
    yield from _listed("files", [*map(str, output.files), *map(str, output.manifests)])
    yield from _listed("first rows", [_shortened(row) for row in output.first_rows])
    if control is not None:
        billing = control.billing()
        times = (
            "each once" if billing.max_times_billed <= 1 else f"{billing.repeated_contents:,} OF THEM MORE THAN ONCE"
        )
        yield _line("billed", f"{billing.rows_billed:,} requests by the simulator, {times}; real money: none")


def shortcomings(reference: Mapping[str, Any], output: Output, control: SimulatorControl | None) -> list[str]:
    """Return what is wrong: a row that is missing or written twice, a request that was billed twice."""
    found = []
    if output.rows != reference["requests"]:
        found.append(f"{reference['requests']:,} rows went in and {output.rows:,} came out")
    if control is not None and (repeated := control.billing().repeated_contents):
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


def _shortened(row: Mapping[str, Any]) -> str:
    hidden = _NOT_SHOWN | ({"text"} if row.get("parsed") is not None else set())
    shown = {name: value for name, value in row.items() if value is not None and name not in hidden}
    text = json.dumps(shown, ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _listed(label: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield _line(label, value)
        label = ""


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"
