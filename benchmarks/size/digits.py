"""What it costs that numbers of a JSON Lines file keep their digits, in instructions that cachegrind counts.

``python -m benchmarks.size.digits`` needs valgrind and prints what a row takes, from the file to its shard, beyond a
thousand rows. The counts are the same on a busy machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers_environment import REPOSITORY
from benchmarks.size.inputs import Shape, write_priced_rows
from benchmarks.size.instructions import COUNTED, COUNTING

_PROGRAM = REPOSITORY / "benchmarks" / "programs" / "build_rows.py"
_FEW, _MANY = 1_000, 9_000
_TEXT_BYTES = 300
_KINDS = {"a number that is kept": "price", "a number that is not kept": ""}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="digits-") as name:
        file = write_priced_rows(Path(name, "rows.jsonl"), Shape("rows", "rows", _MANY, _TEXT_BYTES))
        print("| rows with | instructions a row, without digits | with | |", "|---|---|---|---|", sep="\n")
        for kind, keep in _KINDS.items():
            before, after = (_instructions_a_row(file, keep, digits_of) for digits_of in ("", f"id,text,{keep}"))
            print(f"| {kind} | {before:,.0f} | {after:,.0f} | {(after / before - 1) * 100:+.1f}% |")


def _instructions_a_row(file: Path, keep: str, digits_of: str) -> float:
    few, many = (_instructions(file, rows, keep, digits_of) for rows in (_FEW, _MANY))
    return (many - few) / (_MANY - _FEW)


def _instructions(file: Path, rows: int, keep: str, digits_of: str) -> int:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [*COUNTING, sys.executable, str(_PROGRAM), str(file), str(rows), keep, digits_of]
    answer = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    counted = COUNTED.search(answer.stderr)
    if counted is None:
        raise RuntimeError(f"cachegrind counted nothing:\n{answer.stderr[-2000:]}")
    return int(counted[1].replace(",", ""))


if __name__ == "__main__":
    main()
