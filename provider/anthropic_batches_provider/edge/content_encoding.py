"""Objects that carry a Content-Encoding: their bytes are read as they are stored, or they are refused by that name.

The size that a store reports is that of the stored bytes. The clients of Google Cloud Storage and Azure unpack what
they fetch, so a reader that trusts the size would take the beginning of the content for the whole, and lose rows.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, cast

from anthropic_batches_provider.errors import ConfigurationError

_Fetch = Callable[[int, int], bytes]

_GZIP = frozenset({"gzip", "x-gzip"})  # the reader of rows unzips it, by the first bytes
_GZIP_MAGIC = b"\x1f\x8b"
_EXAMINED_BYTES = 4096
# Source: IANA, HTTP Content Coding Registry, 2026-11. Any other name, such as the frequent "utf-8", packs nothing.
_UNREAD = frozenset(
    {"aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "pack200-gzip", "x-compress", "zstd"}
)


class OtherLengthError(OSError):
    """A store answered a range of an object with more or fewer bytes than the range has."""


def open_as_stored(fs: Any, key: str, **options: Any) -> BinaryIO:
    """Open an object for reading the bytes that are stored.

    It makes no request of its own: Google Cloud Storage and Azure report the encoding with the size. s3fs does not
    pass it on, but never unpacks either. S3 is asked for it if the first bytes are neither gzip nor UTF-8.

    :raises ConfigurationError: here or as the file is read: the object has an encoding that cannot be read.
    :raises OtherLengthError: as the file is read: the store gave another number of bytes than asked for.
    """
    file = fs.open(key, "rb", **options)
    cache = getattr(file, "cache", None)
    if cache is not None:
        encoding = _reported_encoding(getattr(file, "details", None) or {})
        try:
            _refuse_unread(fs, key, encoding)
        except ConfigurationError:
            file.close()
            raise
        fetch = _stored_fetch(fs, key) if _codings(encoding) & _GZIP else None
        cache.fetcher = _checked(fetch or cache.fetcher, fs, key, encoding)
    return cast("BinaryIO", file)


def _checked(fetch: _Fetch, fs: Any, key: str, encoding: str) -> _Fetch:
    def fetch_checked(start: int, end: int) -> bytes:
        content = fetch(start, end)
        is_whole = len(content) == end - start
        if is_whole and (start or _may_be_rows(content)):
            return content
        found = encoding or _encoding_on_s3(fs, key)
        _refuse_unread(fs, key, found)
        if is_whole:
            return content
        if _codings(found) & _GZIP:
            raise _refusal(fs, key, found, "but comes unpacked, from the store or a gateway")
        raise OtherLengthError(
            f"The store answered bytes {start:,} to {end:,} of {fs.unstrip_protocol(key)} with {len(content):,} bytes. "
            "Check whether the object was replaced while it was read, or a gateway repacks it; a retry reads it from "
            "the start. No byte of the answer was used."
        )

    return fetch_checked


def _may_be_rows(first: bytes) -> bool:
    if first.startswith(_GZIP_MAGIC):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first[:_EXAMINED_BYTES])  # its end may cut a character
    except UnicodeDecodeError:
        return False
    return True


def _reported_encoding(details: Mapping[str, Any]) -> str:
    settings = details.get("content_settings")
    return details.get("contentEncoding") or getattr(settings, "content_encoding", None) or ""


def _encoding_on_s3(fs: Any, key: str) -> str:
    if not hasattr(fs, "call_s3"):
        return ""
    with suppress(Exception):  # it may only explain an error, never replace it
        bucket, name, _ = fs.split_path(key)
        return fs.call_s3("head_object", Bucket=bucket, Key=name).get("ContentEncoding") or ""
    return ""


def _codings(encoding: str) -> set[str]:
    return {coding.strip().lower() for coding in encoding.split(",")}


def _refuse_unread(fs: Any, key: str, encoding: str) -> None:
    if _codings(encoding) & _UNREAD:
        raise _refusal(fs, key, encoding, "which cannot be read")


def _refusal(fs: Any, key: str, encoding: str, reason: str, *, remedy: str = "Upload it") -> ConfigurationError:
    return ConfigurationError(
        f"{fs.unstrip_protocol(key)} is stored with Content-Encoding: {encoding}, {reason}. {remedy} without that "
        "header, plain or as .jsonl.gz (with gsutil: cp without -z and -Z). Nothing was sent."
    )


def _stored_fetch(fs: Any, key: str) -> _Fetch | None:
    """Return a function that fetches a range of the stored bytes; None if the store's client does not unpack them."""
    if hasattr(fs, "session_kwargs"):
        return _gcs_fetch(fs, key)
    if hasattr(fs, "service_client"):
        return _azure_fetch(fs, key)
    return None


def _gcs_fetch(fs: Any, key: str) -> _Fetch:
    # aiohttp accepts gzip, so that Google sends the stored bytes and keeps to the range; only aiohttp would unpack.
    session = {**fs.session_kwargs, "auto_decompress": False}
    raw = type(fs)(*fs.storage_args, **{**fs.storage_options, "session_kwargs": session})
    return lambda start, end: raw.cat_file(key, start=start, end=end)


def _azure_fetch(fs: Any, key: str) -> _Fetch:
    from fsspec.asyn import sync

    container, blob, version = fs.split_path(key)

    async def download(start: int, end: int) -> bytes:
        async with fs.service_client.get_blob_client(container, blob) as client:
            stream = await client.download_blob(start, end - start, version_id=version, decompress=False)
            return cast("bytes", await stream.readall())

    def fetch(start: int, end: int) -> bytes:
        try:
            content = cast("bytes", sync(fs.loop, download, start, end))
        except TypeError as error:  # from older versions, which do not know the argument
            if "decompress" not in str(error):
                raise
            raise _unpacked_by_azure(fs, key) from error
        if len(content) > end - start:  # from versions in between, which ignore it
            raise _unpacked_by_azure(fs, key)
        return content

    return fetch


def _unpacked_by_azure(fs: Any, key: str) -> ConfigurationError:
    reason = "which azure-storage-blob before 12.28 may unpack as it reads"
    return _refusal(fs, key, "gzip", reason, remedy="Upgrade that package, or upload the object")
