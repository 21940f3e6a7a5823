"""An object is read as it is stored, or its encoding is named; a wrong number of bytes never passes for the end."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.asyn import get_loop
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from anthropic_batches_provider.edge.content_encoding import OtherLengthError, open_as_stored
from anthropic_batches_provider.errors import ConfigurationError

CONTENT = b"the same words again and again\n" * 100
ZIPPED = gzip.compress(CONTENT)


class File(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        return bytes(self.fs.answer(start, end))


class Store(AbstractFileSystem):  # type: ignore[misc]
    """A store with one object, whose size is that of :data:`ZIPPED`.

    :param answer: gives the bytes for a range.
    """

    protocol = "store"

    def __init__(self, answer: Callable[[int, int], bytes], details: dict[str, Any] | None = None, **options: Any):
        super().__init__(answer=answer, details=details, **options)
        self.answer = answer
        self.details = details or {}

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": len(ZIPPED), "type": "file", **self.details}

    def _open(self, path: str, mode: str = "rb", **options: Any) -> File:
        return File(self, path, mode, **options)

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.partition("/")
        return bucket, key, None


class S3(Store):
    """A store that gives the encoding only if asked for it."""

    def __init__(self, *arguments: Any, encoding: str = "gzip"):
        super().__init__(*arguments)
        self.encoding = encoding
        self.asked = 0

    def call_s3(self, method: str, **which: str) -> dict[str, str]:
        assert (method, which) == ("head_object", {"Bucket": "bucket", "Key": "rows"})
        self.asked += 1
        return {"ContentEncoding": self.encoding}


class UnreachableS3(S3):
    def call_s3(self, method: str, **which: str) -> dict[str, str]:
        raise PermissionError("Forbidden")


class Gcs(Store):
    """A store whose client unpacks, unless its session is told not to."""

    def __init__(self, answer: Callable[[int, int], bytes], session_kwargs: dict[str, Any] | None = None):
        super().__init__(answer, {"contentEncoding": "gzip"}, session_kwargs=session_kwargs)
        self.session_kwargs = session_kwargs or {}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        assert path == "bucket/rows"
        assert self.session_kwargs == {"trust_env": True, "auto_decompress": False}
        assert start is not None
        assert end is not None
        return self.answer(start, end)


def stored(start: int, end: int) -> bytes:
    return ZIPPED[start:end]


def unpacked(_start: int, _end: int) -> bytes:
    return CONTENT


def read(fs: Store) -> bytes:
    with open_as_stored(fs, "bucket/rows", block_size=20, cache_type="readahead") as file:
        return b"".join(iter(lambda: file.read(7), b""))


def test_what_is_stored_is_read_block_by_block() -> None:
    assert read(Store(stored)) == ZIPPED
    assert read(Gcs(stored, session_kwargs={"trust_env": True})) == ZIPPED


@pytest.mark.parametrize("answer", [unpacked, lambda _start, _end: b"", lambda start, end: ZIPPED[start : end - 1]])
def test_another_number_of_bytes_is_an_error_and_not_the_end(answer: Callable[[int, int], bytes]) -> None:
    with pytest.raises(OtherLengthError, match=r"answered bytes 0 to 27 of store://bucket/rows with .* bytes\. Check"):
        read(Store(answer))


@pytest.mark.parametrize("fs", [S3(unpacked), Gcs(unpacked, session_kwargs={"trust_env": True})])
def test_where_an_encoded_object_comes_unpacked_all_the_same_it_is_refused_by_name(fs: Store) -> None:
    with pytest.raises(ConfigurationError, match="Content-Encoding: gzip, but comes unpacked, from the store"):
        read(fs)


@pytest.mark.parametrize("encoding", ["br", "BR", "gzip, zstd", "deflate"])
def test_encodings_that_cannot_be_read_are_refused_before_a_byte_is_fetched(encoding: str) -> None:
    def never(_start: int, _end: int) -> bytes:
        raise AssertionError("fetched")

    for details in ({"contentEncoding": encoding}, {"content_settings": SimpleNamespace(content_encoding=encoding)}):
        with pytest.raises(
            ConfigurationError, match=f"store://bucket/rows is stored with Content-Encoding: {encoding}"
        ):
            read(Store(never, details))


@pytest.mark.parametrize("encoding", [None, "", "identity", "utf-8", "aws-chunked"])
def test_names_that_pack_nothing_are_no_encoding(encoding: str | None) -> None:
    assert read(Store(stored, {"contentEncoding": encoding})) == ZIPPED


def brotli(start: int, end: int) -> bytes:
    return (b"\x0b\x02\x80" + ZIPPED)[start:end]


def test_s3_is_asked_for_the_encoding_where_the_first_bytes_are_no_rows_and_only_there() -> None:
    s3 = S3(brotli, {}, encoding="br")
    with pytest.raises(ConfigurationError, match="store://bucket/rows is stored with Content-Encoding: br"):
        read(s3)
    assert s3.asked == 1
    for answer in (stored, lambda start, end: ("é" * 5000).encode()[start:end]):
        s3 = S3(answer, {}, encoding="br")
        assert len(read(s3)) == len(ZIPPED)
        assert s3.asked == 0


@pytest.mark.parametrize("fs", [Store(brotli), S3(brotli), UnreachableS3(brotli)])
def test_bytes_that_are_no_rows_are_the_readers_matter_unless_an_encoding_explains_them(fs: Store) -> None:
    assert read(fs) == brotli(0, len(ZIPPED))


@pytest.mark.parametrize("knows_the_argument", [True, False])
def test_a_client_of_azure_that_unpacks_all_the_same_is_named(knows_the_argument: bool) -> None:
    async def readall() -> bytes:
        return CONTENT

    async def download_blob(offset: int, length: int, **options: Any) -> Any:
        assert offset + length <= len(ZIPPED)
        assert options == {"version_id": None, "decompress": False}
        if not knows_the_argument:
            raise TypeError("ClientSession._request() got an unexpected keyword argument 'decompress'")
        return SimpleNamespace(readall=readall)

    @asynccontextmanager
    async def client(container: str, blob: str) -> AsyncIterator[Any]:
        assert (container, blob) == ("bucket", "rows")
        yield SimpleNamespace(download_blob=download_blob)

    fs = Store(stored, {"content_settings": SimpleNamespace(content_encoding="gzip")})
    fs.loop, fs.service_client = get_loop(), SimpleNamespace(get_blob_client=client)
    with pytest.raises(ConfigurationError, match=r"azure-storage-blob before 12\.28 may unpack as it reads\. Upgrade"):
        read(fs)
