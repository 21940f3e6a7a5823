"""Rows in memory, for XCom: limited, because Airflow's database holds them."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.row_json import RowEncoder
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.errors import XComLimitError


class RowsInMemory:
    """A sink that keeps rows as dicts, with the same columns as in a file.

    :param max_bytes: the most bytes of all rows as JSON Lines.
    :param total_rows: the total number of rows, for the message.
    :ivar rows: in the order of the output.
    """

    def __init__(self, layout: RowLayout, *, max_bytes: int, total_rows: int) -> None:
        self.rows: list[dict[str, Any]] = []
        self._encode = RowEncoder(layout).encode
        self._max_bytes = max_bytes
        self._total_rows = total_rows
        self._bytes = 0

    def add(self, row: AnsweredRow) -> None:
        """Take the next row.

        :raises XComLimitError: the rows so far take more than is allowed; raised as soon as that is known.
        """
        line = self._encode(row)
        self._bytes += len(line) + 1
        if self._bytes > self._max_bytes:
            raise self._too_large()
        decoded = json.loads(line)
        decoded.update(json.loads(row.columns, parse_float=_held))
        self.rows.append(decoded)

    def _too_large(self) -> XComLimitError:
        return XComLimitError(
            f"The JSON of the first {len(self.rows) + 1:,} of {counted(self._total_rows, 'row')} has {self._bytes:,} "
            f"bytes, but XCom is limited to {self._max_bytes:,} bytes here (xcom_max_bytes=), because Airflow's "
            "database stores it. Set destination= to the URI of a folder instead of 'xcom', such as "
            "s3://conn_id@bucket/folder/. A folder takes any number of rows, and XCom gets the manifest. Nothing is "
            "lost: the results stay at Anthropic for 29 days after submission, and collecting them again costs nothing."
        )


def _held(digits: str) -> float | str:
    """Return a number of the user's as a float, or its digits as text if a float has fewer."""
    number = float(digits)
    try:
        return number if Decimal(repr(number)) == Decimal(digits) else digits
    except InvalidOperation:  # an exponent of 19 digits
        return digits
