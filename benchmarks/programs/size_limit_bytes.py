"""The limit without Python objects for params and texts: their bytes pass from one file to the other unread."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from benchmarks.programs.size_arguments import Arguments, run
from benchmarks.programs.size_limit import receive, send


class _Request(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _Block(msgspec.Struct):
    type: str
    text: msgspec.Raw = msgspec.Raw(b'""')


class _Message(msgspec.Struct):
    content: list[_Block]
    usage: msgspec.Raw


class _Result(msgspec.Struct):
    type: str
    message: _Message | None = None


class _Line(msgspec.Struct):
    custom_id: str
    result: _Result


def submit(arguments: Arguments) -> None:
    send(arguments, msgspec.json.Decoder(_Request))


def collect(arguments: Arguments) -> None:
    receive(arguments, msgspec.json.Decoder(_Line), _joined)


def _joined(texts: Iterator[msgspec.Raw]) -> msgspec.Raw:
    """Join several JSON strings into one; only their quotes need to be removed."""
    return msgspec.Raw(b'"%b"' % b"".join(bytes(text)[1:-1] for text in texts))


if __name__ == "__main__":
    run({"submit": submit, "collect": collect})
