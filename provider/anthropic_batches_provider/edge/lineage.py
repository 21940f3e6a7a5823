"""What a task read and wrote, for OpenLineage: datasets by its rules of naming, outputs with their columns.

Airflow asks for it only if its OpenLineage provider is installed, so nothing of that is imported before.
A dataset that cannot be named is left out: lineage never fails a task.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.edge.row_sources import FileRows, RowSource, SeveralSources
from anthropic_batches_provider.edge.sql_rows import SqlRows
from anthropic_batches_provider.edge.table_addresses import address_of
from anthropic_batches_provider.edge.task_destination import XCOM
from anthropic_batches_provider.edge.uris import split_scheme

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from anthropic_batches_provider.batches.output.manifest import Manifest

log = logging.getLogger(__name__)

MOST_INPUTS = 100
"""Datasets that are named as inputs; a task may have been given any number of URIs."""

_WILDCARD = re.compile(r"[*?\[]")
_PLACEHOLDER = re.compile(r"%s|%\(\w+\)s")  # no parser of SQL takes them
_SCHEMES = {"gcs": "gs", "s3a": "s3", "s3n": "s3"}

_Names = tuple[str, str]  # namespace and name


def lineage_of(
    task_instance: Any, sources: Iterable[RowsArgument], manifest: Manifest | None, *, files: Iterable[str] = ()
) -> OperatorLineage[Any, Any]:
    """Return the datasets that a task has read and written.

    :param sources: where its rows came from.
    :param manifest: of the output that it has published; None if there is none.
    :param files: URIs and paths of files that it has read besides.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    inputs: dict[_Names, None] = {}
    of_rows = (names for each in sources for names in _inputs_of(each.source, task_instance))
    for names in chain(map(dataset_of_uri, files), of_rows):
        if len(inputs) < MOST_INPUTS:
            inputs[names] = None
    outputs = [] if manifest is None else _outputs_of(manifest)
    return OperatorLineage(inputs=[Dataset(namespace=space, name=name) for space, name in inputs], outputs=outputs)


def dataset_of_uri(uri: str) -> _Names:
    """Return namespace and name of files or of a folder; of wildcards, the folder above them.

    The connection's name is no part of them.
    """
    scheme, rest = split_scheme(uri)
    segments = rest.split("/")
    plain = next((number for number, each in enumerate(segments) if _WILDCARD.search(each)), len(segments))
    path = "/".join(segments[:plain]).rstrip("/")
    if scheme in ("", "file"):
        return "file", path or "/"
    bucket, _, key = path.partition("/")
    return f"{_SCHEMES.get(scheme, scheme)}://{bucket.rpartition('@')[2]}", key or "/"


def _inputs_of(source: Any, task_instance: Any) -> Iterator[_Names]:
    if isinstance(source, str):
        yield dataset_of_uri(source)
    elif isinstance(source, FileRows):
        uris = [source.uri] if isinstance(source.uri, str) else source.uri
        yield from (dataset_of_uri(str(uri)) for uri in uris)
    elif isinstance(source, SeveralSources):
        for each in source.sources:
            yield from _inputs_of(each, task_instance)
    elif isinstance(source, SqlRows):
        yield from _told(source, lambda: _tables_of_query(source, task_instance))


def _told(source: RowSource, names: Any) -> list[_Names]:
    """Return what a function finds; nothing, if it cannot be found."""
    try:
        return list(names())
    except Exception as error:  # noqa: BLE001 - whatever a driver or a parser raises, the task has succeeded
        log.warning("The tables of %s are missing from the lineage: %s", source, type(error).__name__)
        return []


def _tables_of_query(source: SqlRows, task_instance: Any) -> Iterator[_Names]:
    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.providers.openlineage.sqlparser import SQLParser

    hook: Any = BaseHook.get_hook(source.conn_id)
    connection = BaseHook.get_connection(source.conn_id)
    query = source.query_text(task_instance.get_template_context())
    parser = SQLParser(dialect=hook.get_openlineage_database_dialect(connection))
    found = parser.parse(SQLParser.split_sql_string(_PLACEHOLDER.sub("NULL", query)))
    for table in () if found is None else found.in_tables:
        schema = ".".join(part for part in (table.database, table.schema) if part)
        yield _dataset_of_table(source.conn_id, f"{schema}.{table.name}" if schema else table.name)


def _dataset_of_table(conn_id: str, table: str) -> _Names:
    """Return namespace and name of a table, as other tasks name it: by what its hook says, if that says anything."""
    from airflow.providers.common.compat.sdk import BaseHook
    from airflow.providers.openlineage.sqlparser import SQLParser

    address = address_of(conn_id, table)
    hook: Any = BaseHook.get_hook(conn_id)
    info = hook.get_openlineage_database_info(BaseHook.get_connection(conn_id))
    if info is None:
        return address.namespace, address.name
    names = (info.database or address.database, address.schema, address.table)
    name = ".".join(each for each in names if each)
    return SQLParser.create_namespace(info), name.upper() if info.is_uppercase_names else name


def _outputs_of(manifest: Manifest) -> list[Any]:
    from airflow.providers.common.compat.openlineage.facet import (
        OutputDataset,
        OutputStatisticsOutputDatasetFacet,
        SchemaDatasetFacet,
        SchemaDatasetFacetFields,
    )

    if manifest.destination == XCOM:
        return []
    table = manifest.table
    try:
        names = dataset_of_uri(manifest.destination) if table is None else _dataset_of_table(table.conn_id, table.table)
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, the output is published
        log.warning("The table %s is missing from the lineage: %s", manifest.destination, type(error).__name__)
        return []
    fields = [SchemaDatasetFacetFields(name=each.name, type=each.type) for each in manifest.columns]
    size = sum(part.bytes for part in manifest.parts) if table is None else None
    statistics = OutputStatisticsOutputDatasetFacet(rowCount=manifest.counts.rows, size=size)
    return [
        OutputDataset(
            namespace=names[0],
            name=names[1],
            facets={"schema": SchemaDatasetFacet(fields=fields)} if fields else {},
            outputFacets={"outputStatistics": statistics},
        )
    ]
