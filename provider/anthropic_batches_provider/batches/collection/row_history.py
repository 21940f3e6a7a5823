"""The results of one row over the rounds: the one that counts, and what a further round needs to know of the others.

An answer that fits counts before one that does not, and any answer before none; among equals the latest counts. The
results decide all of it, so that every collection of the same rounds tells the same.
"""

from __future__ import annotations

import msgspec

from anthropic_batches_provider.batches.collection.unusable_rows import UnusableReason
from anthropic_batches_provider.batches.judging import Judge
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow, OtherResult
from anthropic_batches_provider.batches.results import MISSING, UNREADABLE, Result
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, PAUSED

_PERHAPS_BILLED = (MISSING, UNREADABLE)

CORRECTION = (
    "Your last message does not have the required form: {reason}. Answer the request again, as a whole, in the "
    "required form."
)


class RowHistory:
    """What the rounds brought for one row.

    :param judge: the judge of the job.
    :param first: what the first round brought; with the whole message if that is paused.
    """

    def __init__(self, judge: Judge, first: AnsweredRow) -> None:
        self._judge = judge
        self._found = [first]
        self._round = 1
        self._repairs: list[str] = []
        self._last_verdict: str | None = None
        self._paused: Result | None = None
        self._turns: list[msgspec.Raw] = []
        self._sent_turns: list[msgspec.Raw] = []
        self._go_on_from(first)

    def add(self, round_number: int, batch_id: str, result: Result) -> None:
        """Take the result of a further round that sent the row; rounds come in order.

        :param result: with the whole message if that is paused.
        """
        if self._last_verdict is not None:
            self._repairs.append(self._last_verdict)
        self._round, self._sent_turns = round_number, self._turns
        if self._paused is not None and result.result_type == "succeeded":
            result = _continued(self._paused, result)
        row = self._judge(self._found[0].columns, batch_id, result)
        self._found.append(row)
        self._go_on_from(row)

    @property
    def has_failed(self) -> bool:
        """Whether no answer fits, so that the row may be sent again."""
        return self._counting().verdict != FITS

    def answered_row(self) -> AnsweredRow:
        """Return the row with the result that counts, and with its others."""
        counting = self._counting()
        if len(self._found) == 1:
            return counting
        others = tuple(_other(row) for row in self._found if row is not counting)
        return msgspec.structs.replace(counting, earlier_rounds=others, repairs=tuple(self._repairs))

    def reason(self, row: int) -> UnusableReason:
        """Return what decides whether, and how, the row is sent again.

        :param row: its number in the whole input, from 0.
        """
        latest = self._found[-1].result
        if latest.result_type in _PERHAPS_BILLED:  # it may have been billed
            return UnusableReason(row=row, result_type=latest.result_type, error_type=None)
        return UnusableReason(
            row=row,
            result_type=latest.result_type,
            error_type=latest.error_type,
            verdicts=tuple(found.verdict for found in self._found if found.verdict is not None),
            round=self._round,
            turns=tuple(self._turns),
            had_turns=self._turns == self._sent_turns,
        )

    def _counting(self) -> AnsweredRow:
        return max(enumerate(self._found), key=lambda found: (_rank(found[1]), found[0]))[1]

    def _go_on_from(self, row: AnsweredRow) -> None:
        """Note the messages that a further request adds to the row's own, to go on from its latest answer."""
        if row.verdict is None:
            return
        result, self._last_verdict, self._paused = row.result, row.verdict, None
        if result.stop_reason == PAUSED:
            self._paused = result
            self._turns = _with_more(self._turns, _content_of(result))
        elif row.verdict == INVALID_OUTPUT:
            self._turns = _correction(result.text, row.reason)
        else:
            self._turns = []


def _rank(row: AnsweredRow) -> int:
    return 2 if row.verdict == FITS else 1 if row.verdict is not None else 0


def _other(row: AnsweredRow) -> OtherResult:
    result = row.result
    return OtherResult(row.batch_id, result.result_type, row.verdict, result.stop_reason, result.model, result.usage)


def _continued(before: Result, result: Result) -> Result:
    """Return the rest of a paused answer with the text that it already had."""
    texts = [text for text in (before.text, result.text) if text is not None]
    return msgspec.structs.replace(
        result, text="".join(texts) if texts else None, last_text=result.last_text or result.text
    )


class _Content(msgspec.Struct):
    content: list[msgspec.Raw] = []


class _Turn(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw]


_decode_content = msgspec.json.Decoder(_Content).decode
_decode_turn = msgspec.json.Decoder(_Turn).decode


def _encoded(role: str, content: str | list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_Turn(role, content)))


def _content_of(result: Result) -> list[msgspec.Raw]:
    if result.message is None:
        raise AssertionError("the message of a paused answer is needed to go on from it")
    try:
        return _decode_content(result.message).content
    except UNDECODABLE:
        return []


def _with_more(turns: list[msgspec.Raw], content: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Return the turns with more of the answer that they end with, or with its beginning."""
    last = _decode_turn(turns[-1]) if turns else None
    if last is not None and isinstance(last.content, list):  # an answer that paused before
        return [*turns[:-1], _encoded(last.role, [*last.content, *content])]
    return [*turns, _encoded("assistant", content)]


def _correction(text: str | None, reason: str | None) -> list[msgspec.Raw]:
    """Return the turns that show the model its answer, as far as that is text, and why it does not fit."""
    asked = _encoded("user", CORRECTION.format(reason=reason))
    if text is None or text.isspace() or not text:  # the API refuses empty text
        return [asked]
    return [_encoded("assistant", text), asked]
