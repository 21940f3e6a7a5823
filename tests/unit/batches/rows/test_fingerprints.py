"""The check that the rows of a job are still the same."""

from __future__ import annotations

import random

import pytest

from anthropic_batches_provider.batches.rows import PreparedRow, RowsFingerprint


def fingerprint(rows: list[PreparedRow]) -> str:
    seen = RowsFingerprint()
    for row in rows:
        seen.add(row)
    return seen.hexdigest()


def test_the_fingerprint_of_rows_does_not_depend_on_their_order() -> None:
    rows = [PreparedRow(n, b'{"id":%d}' % n, b'{"n":%d}' % n) for n in range(100)]
    shuffled = random.Random(1).sample(rows, len(rows))
    assert fingerprint(shuffled) == fingerprint(rows)
    assert len(fingerprint(rows)) == 32


@pytest.mark.parametrize(
    "other",
    [
        [],
        [PreparedRow(0, b'{"id":1}', b'{"n":1}')],
        [PreparedRow(0, b'{"id":1}', b'{"n":1}'), PreparedRow(1, b'{"id":2}', b'{"n":3}')],
        [PreparedRow(0, b'{"id":1}', b'{"n":1}'), PreparedRow(1, b'{"id":3}', b'{"n":2}')],
        [PreparedRow(0, b'{"id":1}', b'{"n":2}'), PreparedRow(1, b'{"id":2}', b'{"n":1}')],
        [PreparedRow(0, b'{"id":1}', b'{"n":1}'), PreparedRow(1, b'{"id":2}', b'{"n":2}')] * 2,
    ],
)
def test_other_rows_have_another_fingerprint(other: list[PreparedRow]) -> None:
    rows = [PreparedRow(0, b'{"id":1}', b'{"n":1}'), PreparedRow(1, b'{"id":2}', b'{"n":2}')]
    assert fingerprint(other) != fingerprint(rows)


def test_the_form_of_the_answers_is_no_part_of_a_row() -> None:
    sums = []
    for form in (
        b'{"type":"json_schema","schema":{"type":"string"}}',
        b'{"type":"json_schema","schema":{"enum":["a"]}}',
    ):
        fingerprint = RowsFingerprint(form)
        for number, text in enumerate((b"one", b"two")):
            params = (
                b'{"output_config":{"format":' + form + b'},"messages":[{"role":"user","content":"' + text + b'"}]}'
            )
            fingerprint.add(PreparedRow(number=number, columns=b"{}", params=params))
        sums.append(fingerprint.hexdigest())
    assert sums[0] == sums[1]
