"""Text of any encoding as UTF-8: whatever the encoding knows comes back, and no other byte becomes text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.rows.text_encodings import as_stored, as_utf8, encoding_problem, other_encoding

ENCODINGS = ["cp1252", "latin-1", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "euc_kr", "cp437", "ascii"]
LETTERS = st.sampled_from('aZ,\n"é€Äテ中한§\U0001f600')


@pytest.mark.parametrize("encoding", [None, "utf-8", "UTF8", "utf_8_sig", "U8"])
def test_utf_8_needs_no_change(encoding: str | None) -> None:
    assert other_encoding(encoding) is None


def test_an_encoding_has_one_name() -> None:
    assert other_encoding("Windows-1252") == other_encoding("CP1252") == "cp1252"


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(data=st.data())
def test_text_comes_back_wherever_it_is_cut(encoding: str, data: st.DataObject) -> None:
    text = data.draw(st.text(LETTERS, max_size=20))
    stored = text.encode(encoding, "ignore")
    step = data.draw(st.integers(1, 5))
    chunks = [stored[at : at + step] for at in range(0, len(stored), step)]
    assert b"".join(as_utf8(chunks, encoding)).decode() == stored.decode(encoding)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name not in ("utf-16", "utf-32")])
@given(stored=st.binary(max_size=12), step=st.integers(1, 4))
def test_bytes_are_text_only_where_python_says_so(encoding: str, stored: bytes, step: int) -> None:
    found = b"".join(as_utf8([stored[at : at + step] for at in range(0, len(stored), step)], encoding))
    try:
        expected = stored.decode(encoding)
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            found.decode()
        assert encoding_problem(found, encoding).startswith(f"not {other_encoding(encoding)}: character ")
    else:
        assert found.decode() == expected


def test_a_message_shows_the_stored_bytes() -> None:
    (found, _) = as_utf8([b"ole\x81 \x8d\x80"], "cp1252")
    assert as_stored(found) == b"ole\x81 \x8d\xe2\x82\xac"
    assert encoding_problem(found, "cp1252") == "not cp1252: character 4 is 0x81. Correct encoding=, or the file."
    assert as_stored("plain é".encode()) == "plain é".encode()
