"""An answered row, which collection yields and every sink takes."""

from __future__ import annotations

import msgspec

from anthropic_batches_provider.batches.money.dollars import exact_dollars
from anthropic_batches_provider.batches.results import Result

NO_COLUMNS = b"{}"
"""The columns of a row of which only the custom_id is known."""


class OtherResult(msgspec.Struct, frozen=True, gc=False):
    """A result of a row that was sent more than once, beside the one that counts; fields as in the output."""

    batch_id: str | None
    result_type: str
    verdict: str | None
    stop_reason: str | None
    error_type: str | None
    error_message: str | None
    model: str | None
    usage: msgspec.Raw | None


class AnsweredRow(msgspec.Struct, frozen=True, gc=False):
    """A row with the one result that counts. It is a Struct because there are millions, one at a time.

    :param columns: the row's own key and kept columns: a JSON object on one line, which is not checked.
    :param batch_id: the message batch that produced the result, or should have; None for a row that was not sent.
    :param result: the decoded result.
    :param verdict: one of :mod:`.verdicts` for a row that succeeded, else None.
    :param parsed: the answer's JSON if the job asked for it, else None.
    :param reason: why there is no usable answer: the API's error message, or what the answer does not fit.
    :param earlier_rounds: its other results, in the order of the rounds; None for a row that was sent once, or never.
    :param is_latest: whether the result that counts is that of the latest round that sent the row.
    :param repairs: for each time that it was sent to repair an answer, the verdict of that answer.
    :param cost: what all its requests cost, in pico-dollars; None if that is not known. It is known once the row was
        counted.
    """

    columns: bytes
    batch_id: str | None
    result: Result
    verdict: str | None = None
    parsed: msgspec.Raw | None = None
    reason: str | None = None
    earlier_rounds: tuple[OtherResult, ...] | None = None
    is_latest: bool = True
    repairs: tuple[str, ...] = ()
    cost: int | None = None

    @property
    def cost_usd(self) -> msgspec.Raw | None:
        """Its cost in dollars, as a number of JSON in plain decimals, to the last digit."""
        return None if self.cost is None else msgspec.Raw(exact_dollars(self.cost))
