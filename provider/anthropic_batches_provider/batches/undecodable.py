"""JSON from outside that cannot be decoded, or could not be by whoever reads it next.

Nesting is one of the reasons: a few kilobytes of brackets exceed Python's limit on recursion.
"""

from __future__ import annotations

import msgspec

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors by which decoding says that bytes are not the JSON that was expected."""

_SURELY_READ = 512
_ROOM = 256
_SKIP = msgspec.json.Decoder(msgspec.Raw).decode


def is_nested_too_deeply(text: bytes) -> bool:
    """Return whether a reader whose stack is deeper than ours might refuse the JSON that we can decode.

    That is so from somewhere above 512 levels; Python's own limit leaves about 900 of 1,000.
    """
    if text.count(b"[") + text.count(b"{") <= _SURELY_READ:
        return False
    try:
        _SKIP(b"[" * _ROOM + text + b"]" * _ROOM)
    except RecursionError:
        return True
    except msgspec.MsgspecError:
        return False  # for other reasons: the caller's decoder names them
    return False
