"""From a workbook to answers, in a whole task."""

from __future__ import annotations

import datetime
from pathlib import Path

import openpyxl

from anthropic_batches_provider.simulator.pytest_plugin import MessageBatchSimulator
from tests.dags.conftest import DagRunner, rows_in


def write_workbook(file: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Read the second sheet"])
    sheet = book.create_sheet("Orders")
    for row in (
        ["Orders of November"],
        [],
        ["order", "bought", "spent", "note"],
        [1, datetime.date(2026, 11, 28), datetime.timedelta(hours=30), "Good"],
        [2, datetime.date(2026, 11, 29), None, "n/a"],
        [3, None, None, "=A5"],
        [4, datetime.date(2026, 11, 30), None, "Bad"],
    ):
        sheet.append(row)
    book.save(file)


def test_the_rows_of_a_workbook_are_answered(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    write_workbook(tmp_path / "november.xlsx")
    run = dags.run("workbooks", {"folder": str(tmp_path), "sheet": "Orders", "header_row": 3})
    assert run.tasks == {"answers": "success"}
    rows = rows_in(tmp_path / "out")
    assert [[row.get(name) for name in ("order", "bought", "spent", "note", "result_type")] for row in rows] == [
        [1, "2026-11-28", "P1DT21600S", "Good", "succeeded"],
        [2, "2026-11-29", None, None, "succeeded"],
        [None, None, None, None, "invalid_row"],
        [4, "2026-11-30", None, "Bad", "succeeded"],
    ]
    assert "november.xlsx, Orders!D6: a formula without a calculated value. " in rows[2]["error_message"]
    assert message_batch_simulator.control.billing().rows_billed == 3


def test_a_workbook_that_does_not_say_which_sheet_costs_nothing(
    dags: DagRunner, message_batch_simulator: MessageBatchSimulator, tmp_path: Path
) -> None:
    write_workbook(tmp_path / "november.xlsx")
    run = dags.run("workbooks", {"folder": str(tmp_path), "sheet": "December"})
    assert run.tasks == {"answers": "failed"}
    assert message_batch_simulator.control.billing().rows_billed == 0
