"""Reads rows of a JSON Lines file and builds their shards, as a submitting task does; sends nothing.

Started with the file, how many of its rows to read, the columns to keep and those whose digits count, each list
separated by commas.
"""

from __future__ import annotations

import io
import sys
import tempfile
from itertools import islice
from pathlib import Path

from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import RowColumns, prepare_rows
from anthropic_batches_provider.batches.rows.formats import read_row_file
from anthropic_batches_provider.batches.sharding import ShardLimits, cut_shards


def main(file: str, rows: str, keep: str, digits_of: str) -> None:
    with Path(file).open("rb") as lines:
        content = b"".join(islice(lines, int(rows)))
    question = Question(
        prompt=PromptTemplate("Label this passage:\n{{ row.text }}", SandboxedEnvironment(), {}),
        model="claude-haiku-4-5",
        max_tokens=64,
    )
    with tempfile.TemporaryDirectory() as name:
        spool = Path(name)
        read = read_row_file(io.BytesIO(content), name=file, digits_of=frozenset(filter(None, digits_of.split(","))))
        columns = RowColumns(key="id", keep=list(filter(None, keep.split(","))))
        prepared = prepare_rows(read, columns=columns, encode=question.encode_params, spool_folder=spool)
        for _ in cut_shards(prepared, nonce="0" * 12, limits=ShardLimits(), folder=spool):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
