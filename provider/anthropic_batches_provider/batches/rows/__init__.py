"""Turns the user's rows into prepared rows: reads them, takes key and kept columns, and checks across rows."""

from anthropic_batches_provider.batches.output.user_columns import ROW_NUMBER_COLUMN
from anthropic_batches_provider.batches.rows.columns import READY_KEY_COLUMN, RowColumns
from anthropic_batches_provider.batches.rows.fingerprints import RULES, RowsFingerprint
from anthropic_batches_provider.batches.rows.formats import read_row_file
from anthropic_batches_provider.batches.rows.keys import UniqueKeys
from anthropic_batches_provider.batches.rows.partitions import Partitions
from anthropic_batches_provider.batches.rows.prepared import PreparedRow, prepare_requests, prepare_rows
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema

__all__ = [
    "READY_KEY_COLUMN",
    "ROW_NUMBER_COLUMN",
    "RULES",
    "Partitions",
    "PreparedRow",
    "RowColumns",
    "RowsFingerprint",
    "SourceSchema",
    "UniqueKeys",
    "prepare_requests",
    "prepare_rows",
    "read_row_file",
]
