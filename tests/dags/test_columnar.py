"""Tables of Arrow go through whole tasks: from Parquet to answers, with the types of their columns."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
from pyarrow import ipc, parquet

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in


def test_the_rows_of_tables_are_answered_in_their_order(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    table = pyarrow.table({
        "id": pyarrow.array([1, 2, 3], pyarrow.uint64()),
        "text": ["one", "two", "three"],
        "at": pyarrow.array([1, 2, 3], pyarrow.timestamp("ns", "UTC")),
        "price": pyarrow.array(["1.10", "2.00", None]).cast(pyarrow.decimal128(9, 2)),
        "tags": pyarrow.array(
            [[("a", 1)], [], [("b", 1), ("b", 2)]], pyarrow.map_(pyarrow.string(), pyarrow.int8())
        ),
    })  # fmt: skip
    for day in ("1", "2"):
        (tmp_path / "lake" / f"day={day}").mkdir(parents=True)
        parquet.write_table(table, tmp_path / "lake" / f"day={day}" / "a.parquet", row_group_size=2)
    with ipc.new_stream(str(tmp_path / "rows.arrows"), table.schema) as writer:
        writer.write_table(table.slice(0, 2), max_chunksize=1)
    whole = (tmp_path / "lake" / "day=1" / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-9])

    run = dags.run("columnar", {"folder": str(tmp_path)})

    assert run.tasks == {
        "lake": "success", "stream": "success", "memory": "success", "yielded": "success", "cut": "failed",
    }  # fmt: skip
    lake = rows_in(tmp_path / "lake_out")
    good = [
        (day, number, f"1970-01-01T00:00:00.00000000{number}Z", price, tags)
        for day in ("1", "2")
        for number, price, tags in ((1, "1.10", {"a": 1}), (2, "2.00", {}))
    ]
    assert [
        (row["day"], row["id"], row["at"], row["price"], row["tags"])
        for row in lake
        if row["result_type"] == "succeeded"
    ] == good
    bad = [row for row in lake if row["result_type"] == "invalid_row"]
    assert [lake.index(row) for row in bad] == [2, 5]
    assert (
        "day=1/a.parquet, row 2 (the first is 0): column 'tags' holds a map with the key 'b' twice"
        in (bad[0]["error_message"])
    )
    for task, numbers in (("stream", [1, 2]), ("memory", [1, 2, 3])):
        assert [row["id"] for row in rows_in(tmp_path / f"{task}_out")] == numbers
    assert [row["id"] for row in run.xcom("yielded")] == [1, 2]
    job = json.loads((tmp_path / "lake_out" / "_manifest.json").read_text())["job"]
    sealed = json.loads(Path(job.removeprefix("file://"), "sealed.json").read_text())
    assert [column["type"] for column in sealed["columns"]] == [
        "string", "uint64", "timestamp[ns, tz=UTC]", "decimal128(9, 2)", "map<string, int8>",
    ]  # fmt: skip
    assert message_batch_simulator.control.billing().rows_billed == 4 + 2 + 3 + 2
