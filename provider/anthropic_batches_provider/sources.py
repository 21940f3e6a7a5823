"""Sources of rows besides text and lists: the published output of an earlier task.

It is imported when DAGs are parsed, so it imports Airflow and the engine only when rows are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["read_rows"]


def read_rows(output: Mapping[str, Any] | Iterable[Any] | str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Iterate over the rows of a published output, in order, in bounded memory.

    Exactly the files that the manifest lists are read, whatever else is in the folder. Each must have the size and the
    number of rows that the manifest says; a difference shows when the file is reached.

    :param output: the return value of a collecting task from XCom: a manifest, or the list of rows that
        ``destination="xcom"`` returns; of a mapped task, a list of either. Or the destination itself: the URI or
        absolute path of its folder, or of the ``_manifest.json`` in it.
    :returns: the rows as dicts; :doc:`output` says which columns they have. Numbers keep the digits of the file.
    :raises ConfigurationError: it is none of these.
    :raises LedgerError: there is no manifest, or while iterating: a file is missing or differs from the manifest.
    """
    from anthropic_batches_provider.edge.published_output import rows_of

    return rows_of(output)
