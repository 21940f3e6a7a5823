"""Values that no column of a table can hold: each is null there and counted, and said once for each part.

That is rare: an answer fits its schema, but a schema allows integers and numbers that no type of a column holds, and
may allow properties that it does not name.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.plurals import counted

log = logging.getLogger(__name__)

Misfits = Counter[str | None]
"""The number of values by the name of their column; under None, answers with properties that no column is for."""


def warn_of_misfits(misfits: Misfits, columns: Sequence[TableColumn]) -> None:
    """Say once which values of a part are null because no column can hold them."""
    own = {column.name for column in columns if column.chosen is None}
    for name, count in misfits.items():
        do, are = ("does", "is") if count == 1 else ("do", "are")
        holder = "." if name in own else "; `text` has the answer."
        if name is None:
            log.warning(
                "%s %s properties that the schema does not name, which no column holds%s",
                counted(count, "answer"), "has" if count == 1 else "have", holder,
            )  # fmt: skip
        else:
            log.warning(
                "%s %s not fit the type of column %r, and %s null in this part%s",
                counted(count, "value"), do, name, are, holder,
            )  # fmt: skip
