"""Text in other encodings than UTF-8 becomes UTF-8; bytes that are no text stay recognizable, so that a row is bad.

Invariant: a byte that the encoding does not know becomes bytes that are never valid UTF-8, at the same place.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

_MARKED = "anthropic_batches_provider.marked"
_FIRST_MARK = 0xDC00  # a lone surrogate, which no strict decoder of UTF-8 accepts
_MARKS = re.compile(rb"\xed[\xb0-\xb3][\x80-\xbf]")
_ANY_SURROGATE = re.compile("[\ud800-\udfff]")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(_FIRST_MARK + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARKED, _mark)


def other_encoding(encoding: str | None) -> str | None:
    """Return Python's own name of an encoding; None if it is UTF-8, whose bytes need no change."""
    if encoding is None:
        return None
    name = codecs.lookup(encoding).name
    return None if name in ("utf-8", "utf-8-sig") else name


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text of another encoding as UTF-8, except for bytes that are no such text: :func:`as_stored` shows them.

    :param chunks: the bytes, cut anywhere.
    :raises UnicodeError: the encoding needs a byte order mark, and there is none.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_MARKED)
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
    yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def as_stored(line: bytes) -> bytes:
    """Return a line for a message, with the stored bytes where :func:`as_utf8` marked them."""
    return _MARKS.sub(lambda mark: bytes([(ord(mark[0].decode("utf-8", "surrogatepass")) - _FIRST_MARK) % 256]), line)


def encoding_problem(line: bytes, encoding: str | None = None) -> str:
    """Return what is wrong with a line that is no text, and the fix, in sentences.

    :param encoding: as the DAG gives it; the line has come through :func:`as_utf8`.
    """
    name = other_encoding(encoding)
    if name is not None:
        found = _ANY_SURROGATE.search(line.decode("utf-8", "surrogatepass"))
        place = "" if found is None else f": character {found.start() + 1} is 0x{ord(found[0]) % 256:02x}"
        return f"not {name}{place}. Correct encoding=, or the file."
    try:
        line.decode()
    except UnicodeDecodeError as error:
        byte = line[error.start : error.start + 1]
        letter = byte.decode("cp1252", "ignore")
        place = f"not UTF-8: byte {error.start + 1} is 0x{byte.hex()}"
        if letter and letter.isprintable():
            return (
                f"{place}, which is {letter} in Latin-1 or Windows-1252. "
                'If it is that, give `files(uri, encoding="cp1252")`; or save the file as UTF-8.'
            )
        return f"{place}. Give the encoding that it has, as `files(uri, encoding=…)`, or save the file as UTF-8."
    return "not UTF-8. Save the file as UTF-8."
