from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.byte_lines import LineTooLongError, grouped_lines, split_lines

CASES = [
    ("nothing", [], []),
    ("an empty chunk", [b""], []),
    ("two lines", [b"a\nb\n"], [b"a", b"b"]),
    ("a last line without a line feed", [b"a\nb"], [b"a", b"b"]),
    ("a line over three chunks", [b"a", b"b", b"c\nd\n"], [b"abc", b"d"]),
    ("a line feed at the beginning of a chunk", [b"a", b"\nb\n"], [b"a", b"b"]),
    ("blank lines", [b"\n\na\n \n\r\n\t\nb\n\n"], [b"a", b"b"]),
    ("a blank end", [b"a\n  "], [b"a"]),
    (
        "separators inside a string",
        ["\u2028\u2029\u0085\x0b\x0c\r|\n".encode()],
        ["\u2028\u2029\u0085\x0b\x0c\r|".encode()],
    ),
    ("a character cut in two", ["é\n".encode()[:1], "é\n".encode()[1:]], ["é".encode()]),
]


@pytest.mark.parametrize(("chunks", "lines"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_stream_is_split_at_line_feeds_only(chunks: list[bytes], lines: list[bytes]) -> None:
    assert list(split_lines(chunks)) == lines


@given(
    lines=st.lists(st.binary(min_size=1, max_size=9).map(lambda line: b"x" + line.replace(b"\n", b""))),
    cuts=st.lists(st.integers(0, 99)),
    closed=st.booleans(),
)
def test_where_a_stream_is_cut_into_chunks_makes_no_difference(
    lines: list[bytes], cuts: list[int], closed: bool
) -> None:
    stream = b"\n".join(lines) + (b"\n" if closed and lines else b"")
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert list(split_lines(chunks)) == lines


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 100])
def test_lines_in_groups_are_the_whole_stream_with_blank_lines_and_a_line_feed_at_its_end(chunk_bytes: int) -> None:
    stream = b"\nfirst\n\n \nsecond\r\nlast"
    chunks = [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]
    lines = [line for group in grouped_lines(chunks) for line in group]
    assert lines == [b"\n", b"first\n", b"\n", b" \n", b"second\r\n", b"last\n"]


def in_chunks(stream: bytes, chunk_bytes: int) -> list[bytes]:
    return [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 100])
def test_a_missing_line_feed_at_the_end_may_stay_missing(chunk_bytes: int) -> None:
    groups = grouped_lines(in_chunks(b"first\nlast", chunk_bytes), missing_end=b"")
    assert [line for group in groups for line in group] == [b"first\n", b"last"]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 100])
def test_a_line_without_an_end_is_given_up_after_the_lines_before_it(chunk_bytes: int) -> None:
    given = 0

    def chunks() -> Iterator[bytes]:
        nonlocal given
        for chunk in in_chunks(b"one\ntwo\n" + b"x" * 1000, chunk_bytes):
            given += len(chunk)
            yield chunk

    lines: list[bytes] = []
    with pytest.raises(LineTooLongError) as caught:
        lines.extend(itertools.chain.from_iterable(grouped_lines(chunks(), max_line_bytes=10)))
    assert lines == [b"one\n", b"two\n"]
    assert set(caught.value.beginning) == {ord("x")}
    assert given <= len(b"one\ntwo\n") + 10 + chunk_bytes


def test_the_bound_is_on_a_line_and_not_on_the_lines_together() -> None:
    chunks = in_chunks(b"12345678\n" * 100, 4)
    assert [line for group in grouped_lines(chunks, max_line_bytes=10) for line in group] == [b"12345678\n"] * 100
