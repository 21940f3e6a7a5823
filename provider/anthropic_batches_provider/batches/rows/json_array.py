"""Cuts a JSON array into its items, so that each of them is decoded by itself, as a line is.

Invariant: no item is lost. If the array's own structure is damaged, so that items may have grown together, the file is
refused; an item that holds anything else that is no JSON is one bad row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from anthropic_batches_provider.batches.rows.plain_bytes import MAX_LINE_BYTES
from anthropic_batches_provider.batches.rows.wrong_formats import LONG_ARRAY, array_problem, refuse
from anthropic_batches_provider.batches.undecodable import UNDECODABLE

MAX_ARRAY_BYTES = MAX_LINE_BYTES
"""An array is read whole; a longer one must become JSON Lines."""

_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_CELLS = re.compile(rb"\s*\[\s*\[")
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^\s\[\]{},:"]+', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,]*")
_OFFSET = re.compile(r"\(byte (\d+)\)")


def is_array(line: bytes) -> bool:
    """Return whether the first line of a file that is not blank begins an array."""
    return line.lstrip().startswith(b"[")


def items_of_array(first: bytes, following: Iterator[bytes], *, name: str, line_number: int) -> Iterator[bytes]:
    """Yield the items of an array, each with a line feed behind it.

    :param first: the first line that is not blank.
    :param following: the lines after it; all are read.
    :param line_number: the number of the first line.
    :raises ConfigurationError: it is too long, more than one array, or damaged. The message names file and place.
    """
    text = _whole(first, following, name)
    if _CELLS.match(text):
        refuse(name, array_problem(first), first)
    items: Iterable[msgspec.Raw | memoryview]
    try:
        items = _decode_items(text)
    except UNDECODABLE:
        items = _spans(text, name=name, first=first, line_number=line_number)
    for item in items:
        yield b"%b\n" % bytes(item)


def _whole(first: bytes, following: Iterator[bytes], name: str) -> bytearray:
    text = bytearray(first)
    for line in following:
        text += line
        if len(text) > MAX_ARRAY_BYTES:
            refuse(name, LONG_ARRAY, first)
    return text


def _spans(text: bytearray, *, name: str, first: bytes, line_number: int) -> Iterator[memoryview]:
    """Yield the items of an array that is no JSON: some of its texts or numbers are wrong, but not its brackets.

    They are found in a copy in which each text and each word is replaced by one of the same length that is JSON.
    """
    try:
        items = _decode_items(_masked(text))
    except UNDECODABLE as error:
        refuse(name, _problem(text, first, error, line_number), first)
    view = memoryview(text)
    end = text.index(b"[") + 1
    for item in items:
        between = _BETWEEN.match(text, end)
        begin = between.end() if between else end
        end = begin + memoryview(item).nbytes
        yield view[begin:end]


def _masked(text: bytearray) -> bytearray:
    masked = bytearray(text)
    for token in _TOKENS.finditer(text):
        begin, end = token.span()
        masked[begin:end] = b'"%b"' % (b" " * (end - begin - 2)) if text[begin] == _QUOTE else b"1" * (end - begin)
    return masked


_QUOTE = ord('"')


def _problem(text: bytearray, first: bytes, error: Exception, line_number: int) -> str:
    """Return the problem of a damaged array, and the fix, as sentences that continue the file's name."""
    if isinstance(error, RecursionError):
        return "holds an array that is nested too deeply. Flatten its items."
    if "trailing characters" in str(error):
        return array_problem(first)
    found = _OFFSET.search(str(error))
    if found is None:
        return (
            "seems to be cut short: its array does not end. Write or copy the file again; further rows may be missing."
        )
    offset = int(found[1])
    line = line_number + text.count(b"\n", 0, offset)
    column = offset - text.rfind(b"\n", 0, offset)
    cause = _OFFSET.sub("", str(error)).removeprefix("JSON is malformed: ").strip()
    return (
        f"is not JSON in line {line}, at byte {column} of it: {cause}. Rows may have grown together there, so none is "
        "read. Correct the file, or write one object per line."
    )
