"""A whole task from Parquet to Parquet, with its rows, its ledger and its output on an object store."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.contracts.store_servers import Store
from tests.dags.conftest import DagRunner
from tests.dags.test_parquet_output import SOURCE, answer


def test_a_table_comes_back_with_its_answers(
    store: Store,
    dags: DagRunner,
    message_batch_simulator: MessageBatchSimulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lake, jobs = store.folder(), store.folder()
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", jobs)
    parquet.write_table(SOURCE, tmp_path / "rows.parquet")
    open_storage(lake, holds_ledger=False).put_file(tmp_path / "rows.parquet", "rows.parquet")
    answer(message_batch_simulator)
    run = dags.run("parquet_output", {"folder": lake, "output": f"{lake}/out"})
    assert set(run.tasks.values()) == {"success"}
    for folder, moods in (
        ("one_task", ["good", "bad", None, "bad", "good"]),
        ("results", ["good", None, None, None, "good"]),
    ):
        output = open_storage(f"{lake}/out/{folder}", holds_ledger=False)
        parts = [output.read(name) for name in output.list("") if name.startswith("part-")]
        table = pyarrow.concat_tables([parquet.read_table(io.BytesIO(part)) for part in parts])
        assert table.select(SOURCE.column_names).combine_chunks() == SOURCE
        assert table.column("parsed_mood").to_pylist() == moods
