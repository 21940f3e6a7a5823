"""Destinations of rows besides folders and XCom: a table of a database.

It is imported when DAGs are parsed; what connects to a database is imported only when rows are written.
"""

from __future__ import annotations

from anthropic_batches_provider.edge.sql_table import SqlTable

__all__ = ["SqlTable"]
