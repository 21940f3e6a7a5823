"""Turns the user's rows into prepared rows: reads them, takes key and kept columns, and checks across rows."""

from anthropic_batches_provider.batches.output.user_columns import ROW_NUMBER_COLUMN
from anthropic_batches_provider.batches.rows.arrow.frames import read_items
from anthropic_batches_provider.batches.rows.column_types import ColumnTypes
from anthropic_batches_provider.batches.rows.columns import READY_KEY_COLUMN, RowColumns
from anthropic_batches_provider.batches.rows.fingerprints import RULES, RowsFingerprint
from anthropic_batches_provider.batches.rows.formats import read_row_file
from anthropic_batches_provider.batches.rows.keys import UniqueKeys
from anthropic_batches_provider.batches.rows.partitions import Partitions
from anthropic_batches_provider.batches.rows.prepared import PreparedRow, prepare_requests, prepare_rows
from anthropic_batches_provider.batches.rows.reading import Reading
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.batches.rows.splices import Splice, can_splice, splicer

__all__ = [
    "READY_KEY_COLUMN",
    "ROW_NUMBER_COLUMN",
    "RULES",
    "ColumnTypes",
    "Partitions",
    "PreparedRow",
    "Reading",
    "RowColumns",
    "RowsFingerprint",
    "SourceSchema",
    "Splice",
    "UniqueKeys",
    "can_splice",
    "prepare_requests",
    "prepare_rows",
    "read_items",
    "read_row_file",
    "splicer",
]
