from __future__ import annotations

import gc
from pathlib import Path

from anthropic_batches_provider.batches.estimates.kept_rows import IN_MEMORY_BYTES, KeptRow, RowFiles


def test_short_rows_are_in_memory_and_long_ones_on_the_disk(tmp_path: Path) -> None:
    files = RowFiles(tmp_path)
    short = KeptRow(3, b"s" * IN_MEMORY_BYTES, 9, files.path)
    assert not list(tmp_path.iterdir())
    long, longer = (KeptRow(4 + more, b"l" * (IN_MEMORY_BYTES + 1 + more), 9, files.path) for more in range(2))
    assert len(list(tmp_path.iterdir())) == 2
    assert [len(row.params()) - IN_MEMORY_BYTES for row in (short, long, longer)] == [0, 1, 2]
    assert [row.size - IN_MEMORY_BYTES for row in (short, long, longer)] == [0, 1, 2]


def test_a_row_that_leaves_the_sample_leaves_no_file(tmp_path: Path) -> None:
    files = RowFiles(tmp_path)
    row: KeptRow | None = KeptRow(0, b"l" * (IN_MEMORY_BYTES + 1), 9, files.path)
    assert row is not None
    row = None
    gc.collect()
    assert not list(tmp_path.iterdir())
