"""The results of one row over the rounds: the one that counts, and what a further round needs to know of the others.

An answer that fits counts before one that does not, that before a refusal, and any answer before none; among equals the
latest counts. The results decide all of it, so that every collection of the same rounds tells the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from anthropic_batches_provider.batches.collection.unusable_rows import (
    SentRequest,
    UnusableReason,
    digest_of_turns,
)
from anthropic_batches_provider.batches.judging import Judge
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow, OtherResult
from anthropic_batches_provider.batches.results import MISSING, UNREADABLE, Result
from anthropic_batches_provider.batches.row_failures import may_go_again
from anthropic_batches_provider.batches.undecodable import UNDECODABLE
from anthropic_batches_provider.batches.verdicts import FITS, INVALID_OUTPUT, PAUSED, REFUSAL

_PERHAPS_BILLED = (MISSING, UNREADABLE)

CORRECTION = (
    "Your last message does not have the required form: {reason}. Answer the request again, as a whole, in the "
    "required form."
)
CORRECTION_OF_NOTHING = "An earlier answer to this did not have the required form: {reason}. Give that form."


class RowHistory:
    """What the rounds brought for one row.

    :param judge: the judge of the job.
    :param first: what the first round brought; with the whole message if that is paused.
    """

    def __init__(self, judge: Judge, first: AnsweredRow) -> None:
        self._judge = judge
        self._found: list[AnsweredRow] = []
        self._sent: list[SentRequest] = []
        self._verdicts: list[str] = []
        self._repairs: list[str] = []
        self._paused: Result | None = None
        self._turns: list[msgspec.Raw] = []
        self._container: str | None = None
        self._take(1, first)

    def add(self, round_number: int, batch_id: str, result: Result) -> None:
        """Take the result of a further round that sent the row; rounds come in order.

        :param result: with the whole message if that is paused.
        """
        if self._verdicts:
            self._repairs.append(self._verdicts[-1])
        if self._paused is not None and result.result_type == "succeeded":
            result = _continued(self._paused, result)
        self._take(round_number, self._judge(self._found[0].columns, batch_id, result))

    def _take(self, round_number: int, row: AnsweredRow) -> None:
        self._found.append(row)
        if not may_go_again(row.result.result_type, row.result.error_type):
            turns = digest_of_turns(self._turns, self._container)
            self._sent.append(SentRequest(round=round_number, verdicts=len(self._verdicts), turns=turns))
        if row.verdict is not None:
            self._verdicts.append(row.verdict)
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
        return msgspec.structs.replace(
            counting,
            earlier_rounds=others,
            is_latest=counting is self._found[-1],
            repairs=tuple(self._repairs),
        )

    def reason(self, row: int) -> UnusableReason:
        """Return what decides whether, and how, the row is sent again.

        :param row: its number in the whole input, from 0.
        """
        latest = self._found[-1].result
        if latest.result_type in _PERHAPS_BILLED:  # it may have been billed
            return UnusableReason(row=row, result_type=latest.result_type, has_answer=bool(self._verdicts))
        return UnusableReason(
            row=row,
            result_type=latest.result_type,
            error_type=latest.error_type,
            verdicts=tuple(self._verdicts),
            sent=tuple(self._sent) if self._verdicts else (),
            turns=tuple(self._turns),
            container=self._container,
        )

    def _counting(self) -> AnsweredRow:
        return max(enumerate(self._found), key=lambda found: (_rank(found[1]), found[0]))[1]

    def _go_on_from(self, row: AnsweredRow) -> None:
        """Note the messages that a further request adds to the row's own, to go on from its latest answer."""
        result, self._paused, self._container = row.result, None, None
        if result.stop_reason == PAUSED:
            message = _message_of(result)
            self._paused, self._container = result, message.container_id
            self._turns = _with_more(self._turns, message.blocks)
        elif row.verdict == INVALID_OUTPUT:
            self._turns = _correction(result.text, row.reason)
        else:
            self._turns = []


def _rank(row: AnsweredRow) -> int:
    if row.verdict is None:
        return 0
    return {FITS: 3, REFUSAL: 1}.get(row.verdict, 2)


def _other(row: AnsweredRow) -> OtherResult:
    result = row.result
    return OtherResult(
        row.batch_id, result.result_type, row.verdict, result.stop_reason, result.error_type, row.reason, result.model,
        result.usage,
    )  # fmt: skip


def _continued(before: Result, result: Result) -> Result:
    """Return the rest of a paused answer with the text that it already had."""
    if result.stop_reason == REFUSAL:  # the model does not go on
        return result
    texts = [text for text in (before.text, result.text) if text is not None]
    return msgspec.structs.replace(result, text="".join(texts) if texts else None, last_text=_last_text(before, result))


def _last_text(before: Result, result: Result) -> str | None:
    """Return the last text of an answer in parts, where JSON is looked for: it may begin in either part."""
    begun, rest = before.last_text or before.text or "", result.last_text or result.text or ""
    return rest if result.last_text or rest.lstrip().startswith(("{", "[", "`")) else begun + rest or None


class _Message(msgspec.Struct):
    content: list[msgspec.Raw] = []
    container: Any = None

    @property
    def container_id(self) -> str | None:
        """The id of the container that the answer uses, which must be named to go on."""
        found = self.container.get("id") if isinstance(self.container, dict) else None
        return found if isinstance(found, str) else None

    @property
    def blocks(self) -> list[msgspec.Raw]:
        """The content as the API takes it back: without empty texts, and without white space at its end."""
        texts = [_text_of(block) for block in self.content]
        blocks = [block for block, text in zip(self.content, texts, strict=True) if text is None or text.strip()]
        last = _text_of(blocks[-1]) if blocks else None
        if last is not None and last != last.rstrip():
            block = {**msgspec.json.decode(blocks[-1]), "text": last.rstrip()}
            blocks[-1] = msgspec.Raw(msgspec.json.encode(block))
        return blocks


class _Block(msgspec.Struct):
    type: str = ""
    text: Any = None


_decode_block = msgspec.json.Decoder(_Block).decode
_decode_message = msgspec.json.Decoder(_Message).decode


def _text_of(block: msgspec.Raw) -> str | None:
    """Return the text of a text block; None if it is another."""
    try:
        found = _decode_block(block)
    except UNDECODABLE:
        return None
    return found.text if found.type == "text" and isinstance(found.text, str) else None


class _Turn(msgspec.Struct):
    role: str
    content: str | list[msgspec.Raw]


_decode_turn = msgspec.json.Decoder(_Turn).decode


def _encoded(role: str, content: str | list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_Turn(role, content)))


def _message_of(result: Result) -> _Message:
    """Return the message of a paused answer; text that is no UTF-8 gets U+FFFD, as in the output."""
    if result.message is None:
        raise AssertionError("the message of a paused answer is needed to go on from it")
    try:
        return _decode_message(bytes(result.message).decode("utf-8", "replace"))
    except UNDECODABLE:
        return _Message()


def _with_more(turns: list[msgspec.Raw], content: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """Return the turns with more of the answer that they end with, or with its beginning."""
    if not content:
        return turns
    last = _decode_turn(turns[-1]) if turns else None
    if last is not None and isinstance(last.content, list):  # an answer that paused before
        return [*turns[:-1], _encoded(last.role, [*last.content, *content])]
    return [*turns, _encoded("assistant", content)]


def _correction(text: str | None, reason: str | None) -> list[msgspec.Raw]:
    """Return the turns that show the model its answer, as far as that is text, and why it does not fit."""
    if text is None or not text.strip():  # the API refuses empty text
        return [_encoded("user", CORRECTION_OF_NOTHING.format(reason=reason))]
    return [_encoded("assistant", text), _encoded("user", CORRECTION.format(reason=reason))]
