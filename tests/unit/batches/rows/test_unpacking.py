"""gzip and zstd, recognized by their first bytes; damage is named, and memory is bounded."""

from __future__ import annotations

import io
import sys
import tracemalloc
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO, cast

import pytest
import zstandard

from anthropic_batches_provider.batches.rows import read_row_file
from anthropic_batches_provider.batches.rows.unpacking import BrokenFileError, unpacked
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

LINES = b"".join(b'{"a":%d}\n' % number for number in range(2000))
ROWS = [{"a": number} for number in range(2000)]
SKIPPABLE = b"\x5a\x2a\x4d\x18\x04\0\0\0abcd"


def zstd(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)


def read(data: bytes, name: str = "rows.jsonl", size: int = 1 << 20) -> list[Any]:
    class Drops(io.BytesIO):
        def read(self, wanted: int | None = -1) -> bytes:
            return super().read(min(size, wanted or 0))

    return list(read_row_file(cast("BinaryIO", Drops(data)), name=name))


@pytest.mark.parametrize(
    "data",
    [
        zstd(LINES),
        zstd(LINES, level=19, write_checksum=True, write_content_size=False),
        zstd(LINES[:5001]) + zstd(b"") + SKIPPABLE + zstd(LINES[5001:]),
        SKIPPABLE + zstd(LINES),
        zstd(b"\xef\xbb\xbf" + LINES),
    ],
    ids=["one frame", "checksum", "several frames", "skippable frame first", "byte order mark"],
)
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.zst", "rows", "rows.jsonl.gz"])
def test_zstd_is_read_whatever_the_name(data: bytes, size: int, name: str) -> None:
    assert read(data, name, size) == ROWS


def test_a_suffix_of_zstd_follows_that_of_the_format() -> None:
    assert read(zstd(b"a,b\n1,2\n"), "rows.csv.zst") == [{"a": "1", "b": "2"}]
    assert read(b"a,b\n1,2\n", "rows.csv.zst") == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("kept", [5, 10, 100, -9, -1])
def test_zstd_that_is_cut_short_is_named(kept: int) -> None:
    with pytest.raises(InvalidRowError, match=r"rows\.jsonl, after line \d+: the zstd data is cut short"):
        read(zstd(LINES)[:kept])


def test_rows_before_the_damage_come_first() -> None:
    rows = read_row_file(io.BytesIO(zstd(b'{"a":1}\n') + zstd(b'{"a":2}\n')[:-1]), name="rows.jsonl")
    assert next(rows) == {"a": 1}
    with pytest.raises(InvalidRowError, match="cut short"):
        list(rows)


@pytest.mark.parametrize("damage", ["checksum", "garbage", "zero bytes"])
def test_zstd_that_is_damaged_is_named(damage: str) -> None:
    data = zstd(LINES, write_checksum=True)
    damaged = {"checksum": data[:-2] + b"xx", "garbage": data + b"garbage", "zero bytes": data + bytes(8)}[damage]
    with pytest.raises(InvalidRowError, match=r"after line \d+: the zstd data is damaged"):
        read(damaged)


def test_no_byte_of_zstd_changes_a_row_without_a_word() -> None:
    lines = LINES[:300]
    data = zstd(lines, write_checksum=True)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x10
        try:
            found = b"".join(unpacked(iter([bytes(changed)]), name="rows"))
        except (BrokenFileError, ConfigurationError):
            continue
        assert found in (lines, bytes(changed)), place  # or it is no zstd any more


def test_a_window_that_would_fill_the_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(
        ConfigurationError, match=r"rows\.jsonl is compressed with zstd and a window of more than 128 MB"
    ):
        read(packer.compress(LINES) + packer.flush())


@pytest.mark.heavy
def test_memory_does_not_grow_with_what_is_packed() -> None:
    packed = zstd((b" " * 99 + b"\n") * 2_000_000)
    assert len(packed) < 50_000
    tracemalloc.start()
    try:
        count = sum(chunk.count(b"\n") for chunk in unpacked(iter([packed]), name="rows"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2_000_000
    assert peak < 80_000_000


def test_without_a_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    with pytest.raises(
        ConfigurationError, match=r"Install `airflow-provider-anthropic-batches\[zstd\]` on the workers"
    ):
        read(zstd(LINES))


def test_the_standard_library_unpacks_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[Any, Any]] = []

    def decompressor(options: dict[Any, Any]) -> Any:
        given.append(options)
        return zstandard.ZstdDecompressor().decompressobj()

    module = ModuleType("compression.zstd")
    made: dict[str, Callable[..., Any] | type] = {
        "ZstdDecompressor": decompressor,
        "ZstdError": zstandard.ZstdError,
        "DecompressionParameter": type("DecompressionParameter", (), {"window_log_max": 100}),
    }
    vars(module).update(made)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", ModuleType("compression"))
    monkeypatch.setitem(sys.modules, "compression.zstd", module)
    assert read(zstd(LINES) * 2) == ROWS * 2
    assert given == [{100: 27}] * 2
