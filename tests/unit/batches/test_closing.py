"""Rows are closed when they are no longer read, not when their memory is freed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.closing import closed_after
from anthropic_batches_provider.batches.rows import RowColumns, prepare_requests, prepare_rows


class Source:
    """Yields rows, and knows whether it was closed."""

    def __init__(self) -> None:
        self.is_open = False
        self.rows = self._rows()

    def _rows(self) -> Iterator[dict[str, Any]]:
        self.is_open = True
        try:
            for number in range(10):
                yield {"custom_id": str(number), "params": {"model": "m", "max_tokens": 1, "messages": []}}
        finally:
            self.is_open = False


def test_a_generator_is_closed_and_other_rows_are_left_alone() -> None:
    source = Source()
    with closed_after(source.rows) as rows:
        next(iter(rows))
        was_open = source.is_open
    assert (was_open, source.is_open) == (True, False)
    with closed_after([1, 2]) as numbers:
        assert list(numbers) == [1, 2]


@pytest.mark.parametrize("ending", ["closed", "failed"])
@pytest.mark.parametrize("kind", ["rows", "requests"])
def test_prepared_rows_close_their_source_when_they_are_closed_or_fail(kind: str, ending: str, tmp_path: Path) -> None:
    def prepared(source: Source) -> Any:
        if kind == "requests":
            return prepare_requests(source.rows, spool_folder=tmp_path)
        return prepare_rows(source.rows, columns=RowColumns(), encode=lambda *_: b"{}", spool_folder=tmp_path)

    source = Source()
    rows = prepared(source)
    next(rows)
    was_open = source.is_open
    if ending == "closed":
        rows.close()
    else:
        with pytest.raises(RuntimeError, match="anything"):
            rows.throw(RuntimeError("anything"))
    assert (was_open, source.is_open) == (True, False)
