"""Whole tasks go from Parquet to Parquet: the user's columns as they were, the answers in the types of their schema."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner

SOURCE = pyarrow.table({
    "id": pyarrow.array([1, 2, 3, 4, 5], pyarrow.uint64()),
    "words": ["one.", "two.", None, "four.", "five."],
    "at": pyarrow.array([1, -2, 3, None, 5], pyarrow.timestamp("ns", "Europe/Berlin")),
    "price": pyarrow.array([Decimal("1.10"), None, Decimal(2), Decimal(3), Decimal(4)], pyarrow.decimal128(9, 2)),
    "Price": pyarrow.array([1.5, None, 2, 3, 4], pyarrow.float32()),
    "span": pyarrow.array([1, 2, 3, 4, 5], pyarrow.duration("ms")),
    "parts": pyarrow.array([[{"a.b": b"x"}], [], None, [None], [{"a.b": None}]],
                           pyarrow.list_(pyarrow.struct([("a.b", pyarrow.large_binary())]))),
    "more": pyarrow.array([[("a", 1)], [], None, [("b", None)], []], pyarrow.map_(pyarrow.string(), pyarrow.int8())),
    "nothing": pyarrow.array([None] * 5, pyarrow.date32()),
})  # fmt: skip
ANSWERS: list[Any] = [
    {"mood": "good", "stars": 5, "parts": [{"name": "lid"}, {}], "note": None},
    {"mood": "bad", "stars": 1.0},
    None,
    {"mood": "bad", "stars": 10**30, "parts": []},
    {"mood": "good", "stars": 2, "note": "n"},
]


def answer(simulator: MessageBatchSimulator) -> None:
    """Let one row get an answer that is no JSON, and another an error, both in the first round alone."""
    control = simulator.control
    control.add_outcome("succeeded", text="Bad, I think.", custom_id="-0-1$")
    control.add_outcome("errored", custom_id="-1-3$", error_type="api_error")
    for words, answer in zip(SOURCE.column("words").to_pylist(), ANSWERS, strict=True):
        if words is not None:
            control.add_outcome("succeeded", contains=words, text=json.dumps(answer))


def tables_in(folder: Path) -> list[Any]:
    return [parquet.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]


def test_a_table_comes_back_with_its_answers(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    parquet.write_table(SOURCE, tmp_path / "rows.parquet")
    answer(message_batch_simulator)
    conf = {"folder": str(tmp_path), "output": str(tmp_path / "out")}
    run = dags.run("parquet_output", conf)
    assert run.tasks == dict.fromkeys(("one_task", "submit", "wait", "results"), "success")

    parts = tables_in(tmp_path / "out" / "one_task")
    assert [part.num_rows for part in parts] == [3, 2]
    assert len({str(part.schema) for part in parts}) == 1
    table = pyarrow.concat_tables(parts)
    assert table.select(SOURCE.column_names).combine_chunks() == SOURCE
    assert table.select(SOURCE.column_names).schema == SOURCE.schema.remove_metadata()
    assert table.column("parsed_mood").to_pylist() == ["good", "bad", None, "bad", "good"]
    assert table.column("parsed_stars").to_pylist() == [5, 1, None, None, 2]
    assert table.column("parsed_parts").to_pylist() == [[{"name": "lid"}, {"name": None}], None, None, [], None]
    assert table.column("parsed_note").to_pylist() == [None, None, None, None, "n"]
    assert table.column("result_type").to_pylist() == [
        "succeeded",
        "succeeded",
        "invalid_row",
        "succeeded",
        "succeeded",
    ]
    assert [text if text is None else len(json.loads(text)) for text in table.column("earlier_rounds").to_pylist()] == [
        None, 1, None, 1, None,
    ]  # fmt: skip
    usage = table.column("usage_input_tokens")
    assert usage.type == pyarrow.int64()
    assert [count is None for count in usage.to_pylist()] == [False, False, True, False, False]
    said = caplog.text + "".join(capsys.readouterr())
    assert "1 value does not fit the type of column 'parsed_stars', and is null in this part" in said

    first = pyarrow.concat_tables(tables_in(tmp_path / "out" / "results"))
    assert first.schema.remove(first.schema.get_field_index("message")) == table.schema
    assert first.select(SOURCE.column_names).combine_chunks() == SOURCE
    assert first.column("verdict").to_pylist() == ["fits", "invalid_output", None, None, "fits"]
    assert first.column("error_type").to_pylist() == [None, None, None, "api_error", None]
    assert json.loads(first.column("message")[0].as_py())["role"] == "assistant"
    assert message_batch_simulator.control.billing().rows_billed == (3 + 2) + 3

    before = [part.read_bytes() for part in sorted((tmp_path / "out" / "one_task").glob("part-*"))]
    assert dags.run("parquet_output", conf).tasks["one_task"] == "success"
    after = [part.read_bytes() for part in sorted((tmp_path / "out" / "one_task").glob("part-*"))]
    assert before == after


def test_a_mistake_in_the_columns_costs_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    message_batch_simulator.control.add_outcome("succeeded", contains="good", text='{"mood": "good"}')
    run = dags.run("parquet_mistakes", {"output": str(tmp_path / "out")})
    assert run.tasks == {"clash": "failed", "renamed": "success"}
    assert "both have a column 'parsed_mood'" in caplog.text + "".join(capsys.readouterr())
    assert not list((tmp_path / "out" / "clash").glob("part-*"))
    (table,) = tables_in(tmp_path / "out" / "renamed")
    assert table.select(["id", "words", "parsed_mood", "answer_mood"]).to_pylist() == [
        {"id": 1, "words": "good", "parsed_mood": "bad", "answer_mood": "good"}
    ]
    assert message_batch_simulator.control.billing().rows_billed == 1


def test_a_worker_without_pyarrow_says_so_before_it_reads_a_row(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run = dags.run("parquet_mistakes", {"output": str(tmp_path / "out")})
    assert run.tasks == {"clash": "failed", "renamed": "failed"}
    said = " ".join((caplog.text + "".join(capsys.readouterr())).split())  # an older Airflow breaks its lines
    assert said.count("output_format='parquet' needs pyarrow, which this worker does not have") >= 2
    assert "pip install 'airflow-provider-anthropic-batches[parquet]'" in said
    assert message_batch_simulator.control.received().calls == {}
