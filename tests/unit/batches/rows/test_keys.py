"""Repeated keys are found, however far apart, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.rows import RowColumns, UniqueKeys, prepare_requests, prepare_rows
from anthropic_batches_provider.batches.rows import keys as keys_module
from anthropic_batches_provider.errors import InvalidRowError

BLOCK = 8


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "KEYS_PER_BLOCK", BLOCK)


def compare(spool_folder: Path, keys: list[bytes]) -> None:
    with UniqueKeys(spool_folder, advice="Make them differ") as unique:
        for key in keys:
            unique.add(key)
        unique.check()


def refused(spool_folder: Path, keys: list[bytes]) -> InvalidRowError:
    with pytest.raises(InvalidRowError) as caught:
        compare(spool_folder, keys)
    return caught.value


def distinct(count: int) -> list[bytes]:
    return [b'{"id":%d}' % number for number in range(count)]


def test_a_key_that_comes_again_soon_is_refused_at_once(tmp_path: Path) -> None:
    with UniqueKeys(tmp_path, advice="Make them differ") as unique:
        for key in distinct(5):
            unique.add(key)
        with pytest.raises(InvalidRowError) as caught:
            unique.add(b'{"id":3}')
    assert str(caught.value) == (
        'Row 5 (the first is 0) has the key {"id":3}, which row 3 has too: their answers could not be distinguished. '
        "Make them differ."
    )
    assert caught.value.row_number == 5


@pytest.mark.usefixtures("small_blocks")
def test_within_a_later_block_too_a_key_is_refused_at_once(tmp_path: Path) -> None:
    with UniqueKeys(tmp_path, advice="") as unique:
        for key in distinct(BLOCK * 2 + 3):
            unique.add(key)
        with pytest.raises(InvalidRowError, match=r"Row 19 .* which row 17 has too"):
            unique.add(b'{"id":17}')


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("first", [0, 5, BLOCK - 1, BLOCK, BLOCK * 3 + 2])
@pytest.mark.parametrize("second", [BLOCK * 5, BLOCK * 5 + 3, BLOCK * 6 - 1, BLOCK * 6])
def test_far_apart_both_rows_and_the_key_are_named_after_the_last_row(tmp_path: Path, first: int, second: int) -> None:
    keys = distinct(BLOCK * 6)
    keys.insert(second, keys[first])
    error = refused(tmp_path, keys)
    assert f'Row {second} (the first is 0) has the key {{"id":{first}}}, which row {first} has too' in str(error)
    assert error.row_number == second


@pytest.mark.usefixtures("small_blocks")
def test_long_keys_are_compared_as_a_whole_and_shown_by_their_beginning(tmp_path: Path) -> None:
    keys = [b'{"id":"%b%d"}' % (b"x" * 500, number) for number in range(BLOCK * 3)]
    compare(tmp_path, keys)
    assert 'Row 24 (the first is 0) has the key {"id":"xxxx' in str(refused(tmp_path, [*keys, keys[1]]))


def test_equal_hashes_of_different_keys_are_no_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "KEYS_PER_BLOCK", BLOCK)
    monkeypatch.setattr(keys_module, "hash", lambda key: 7, raising=False)  # all in one partition
    keys = distinct(BLOCK * 3)
    compare(tmp_path, keys)
    assert 'Row 24 (the first is 0) has the key {"id":9}, which row 9 has too' in str(
        refused(tmp_path, [*keys, keys[9]])
    )


@given(keys=st.lists(st.integers(0, 60), max_size=60))
def test_whatever_the_order_a_repeat_is_found_if_there_is_one(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keys_module, "KEYS_PER_BLOCK", BLOCK)
        encoded = [b'{"id":%d}' % key for key in keys]
        if len(set(keys)) < len(keys):
            error = refused(folder, encoded)
            second = error.row_number
            first = int(str(error).partition(", which row ")[2].partition(" ")[0])
            assert first < second
            assert keys[first] == keys[second]
        else:
            compare(folder, encoded)


def encode(row: Any, number: int) -> bytes:
    return b"{}"


@pytest.mark.usefixtures("small_blocks")
def test_rows_are_refused_before_their_end_is_reported(tmp_path: Path) -> None:
    rows = [{"id": number} for number in [*range(BLOCK * 2), 0]]
    prepared = prepare_rows(rows, columns=RowColumns(key="id"), encode=encode, spool_folder=tmp_path)
    assert [next(prepared).number for _ in rows] == list(range(len(rows)))
    with pytest.raises(InvalidRowError, match=r"Row 16 .* which row 0 has too: .* Name further columns in `key`"):
        next(prepared)


@pytest.mark.usefixtures("small_blocks")
def test_ready_requests_are_compared_by_their_custom_id(tmp_path: Path) -> None:
    params = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}
    requests = [{"custom_id": name, "params": params} for name in [*map(str, range(BLOCK)), *range(BLOCK), "7"]]
    with pytest.raises(InvalidRowError, match=r'Row 16 .*\{"key":"7"\}, which row 7 has too'):
        list(prepare_requests(requests, spool_folder=tmp_path))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("end", ["exhausted", "closed", "failed"])
def test_however_the_iteration_ends_nothing_is_left(tmp_path: Path, end: str) -> None:
    def rows() -> Iterator[dict[str, int]]:
        yield from ({"id": number} for number in range(BLOCK * 4))
        if end == "failed":
            raise RuntimeError("the source broke off")

    prepared = prepare_rows(rows(), columns=RowColumns(key="id"), encode=encode, spool_folder=tmp_path)
    open_before = open_files(tmp_path)
    for _ in range(BLOCK * 3):
        next(prepared)
    assert open_files(tmp_path) == open_before + 1
    if end == "closed":
        prepared.close()  # type: ignore[attr-defined]
    elif end == "failed":
        with pytest.raises(RuntimeError, match="broke off"):
            list(prepared)
    else:
        assert len(list(prepared)) == BLOCK
    assert open_files(tmp_path) == open_before
    assert list(tmp_path.iterdir()) == []


def open_files(folder: Path) -> int:
    """Return how many descriptors of this process belong to files in a folder, including files without a name now."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).startswith(str(folder)) for link in links)


@pytest.mark.usefixtures("small_blocks")
def test_without_key_columns_nothing_is_tracked(tmp_path: Path) -> None:
    rows = ({"id": 1} for _ in range(BLOCK * 3))
    prepared = prepare_rows(rows, columns=RowColumns(), encode=encode, spool_folder=tmp_path / "not there")
    assert len(list(prepared)) == BLOCK * 3


@pytest.mark.heavy
def test_memory_stays_that_of_one_block(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with UniqueKeys(tmp_path, advice="") as unique:
            for number in range(400_000):
                unique.add(b'{"passage_id":"%010d"}' % number)
            unique.check()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
