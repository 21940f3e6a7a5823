"""An answered row: what collection yields, and every sink takes."""

from __future__ import annotations

import msgspec

from anthropic_batches_provider.batches.results import Result

NO_COLUMNS = b"{}"
"""The columns of a row of which nothing but its custom_id is known."""


class AnsweredRow(msgspec.Struct, frozen=True, gc=False):
    """A row with the one result that counts; a Struct, since there are millions, one at a time.

    :param columns: the row's own key and kept columns: a JSON object on one line, trusted to be one.
    :param batch_id: the message batch that brought the result, or was to bring it.
    :param result: as it was decoded.
    """

    columns: bytes
    batch_id: str
    result: Result
