"""The files that cells name are read by any kind of path, and only so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from anthropic_batches_provider.edge.cell_files import read_cell_file
from anthropic_batches_provider.errors import ConfigurationError

CONTENT = bytes(range(256)) * 10_000


@pytest.mark.parametrize(
    "as_place", [str, Path, lambda path: f"file://{path}", lambda path: ObjectStoragePath(f"file://{path}")]
)
def test_a_file_is_read_by_any_kind_of_path(tmp_path: Path, as_place: Any) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    assert read_cell_file(as_place(tmp_path / "a.bin"), 1 << 30) == CONTENT
    assert read_cell_file(as_place(tmp_path / "a.bin"), 2_000_000) == CONTENT[:2_000_000]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("/no/such/file", FileNotFoundError),
        ("/", IsADirectoryError),
        ("photo.png", ConfigurationError),
        (Path("photo.png"), ConfigurationError),
        ("nosuch://a/b", ConfigurationError),
    ],
)
def test_what_is_no_file_is_an_error_of_its_own(place: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_cell_file(place, 10)


def test_a_text_that_is_no_path_is_not_shown_and_has_advice() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^A text of 12 characters is not .* Content itself is given as bytes"
    ):
        read_cell_file("some content", 10)
