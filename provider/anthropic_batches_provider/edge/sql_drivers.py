"""Where the drivers of databases differ: cursors that do not hold all rows, connections that only read, exact values.

Only PostgreSQL's two drivers and SQLite's are tested; the others are written by the documentation of their drivers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from secrets import token_hex
from typing import Any

from anthropic_batches_provider.edge.sql_failures import NoExactValueError
from anthropic_batches_provider.errors import ConfigurationError

_INFINITE = "infinity"
_TYPES_OF_POSTGRES = {
    16: "bool",
    17: "binary",
    19: "string",  # name
    20: "int64",
    21: "int64",
    23: "int64",
    25: "string",
    114: "json",  # its values are decoded, so that any of them may be an object
    700: "float",
    701: "double",
    1042: "string",  # char(n)
    1043: "string",
    1082: "date32[day]",
    1114: "timestamp[us]",
    1184: "timestamp[us, tz=UTC]",
    2950: "string",  # uuid
    3802: "json",  # jsonb
}
_NUMERIC = 1700
# What a role or a server may set otherwise; for this transaction only. 2 is the most that Redshift takes.
_EXACT_TEXTS = "SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 2"
_MOST_DIGITS = 38  # of decimal128


class Driver:
    """Any DB-API driver.

    :ivar names_come_late: whether the cursor knows the columns only after the first fetch.
    """

    names_come_late = False

    def only_read(self, connection: Any) -> None:
        """Make a connection that is not in a transaction refuse to change the database, where the driver can."""

    def keep_values_exact(self, connection: Any) -> None:
        """Make the driver change no value, where it otherwise would."""

    def cursor(self, connection: Any) -> Any:
        """Return a cursor that does not hold all rows, where the driver has one."""
        return connection.cursor()

    def types(self, description: Sequence[Sequence[Any]]) -> dict[str, str]:
        """Return the columns whose type the database itself tells, with the type as Arrow writes it."""
        return {}


class Sqlite(Driver):
    """The driver of the standard library."""

    def only_read(self, connection: Any) -> None:
        connection.execute("PRAGMA query_only = ON")


class Postgres(Driver):
    """What psycopg2 and psycopg 3 have in common."""

    def only_read(self, connection: Any) -> None:
        if connection.info.transaction_status:  # the hook has begun a transaction, with settings that must stay
            connection.cursor().execute("SET TRANSACTION READ ONLY")
        else:
            self._begin_read_only(connection)

    def _begin_read_only(self, connection: Any) -> None:
        raise NotImplementedError

    def keep_values_exact(self, connection: Any) -> None:
        connection.cursor().execute(_EXACT_TEXTS)

    def types(self, description: Sequence[Sequence[Any]]) -> dict[str, str]:
        found = {}
        for name, oid, _, _, precision, scale, *_ in description:
            kind = _TYPES_OF_POSTGRES.get(oid)
            if oid == _NUMERIC and precision and 0 < precision <= _MOST_DIGITS and 0 <= scale <= precision:
                kind = f"decimal128({precision}, {scale})"
            if kind is not None:
                found[name] = kind
        return found


class Psycopg2(Postgres):
    """Named cursors are PostgreSQL's own; infinite dates would be read as the last ones of Python, 24:00 as 00:00."""

    names_come_late = True

    def _begin_read_only(self, connection: Any) -> None:
        connection.set_session(readonly=True)

    def keep_values_exact(self, connection: Any) -> None:
        super().keep_values_exact(connection)
        extensions, extras = import_module("psycopg2.extensions"), import_module("psycopg2.extras")
        extras.register_default_json(connection, loads=_json_loads())
        extras.register_default_jsonb(connection, loads=_json_loads())
        for oid, array_oid, name, exact_value in (
            (1082, 1182, "DATE", _exact_moment), (1114, 1115, "TIMESTAMP", _exact_moment),
            (1184, 1185, "TIMESTAMPTZ", _exact_moment), (1186, 1187, "INTERVAL", _exact_moment),
            (1083, 1183, "TIME", _exact_time), (1266, 1270, "TIMETZ", _exact_time),
        ):  # fmt: skip
            exact = extensions.new_type((oid,), f"EXACT_{name}", partial(exact_value, extensions.string_types[oid]))
            extensions.register_type(exact, connection)
            extensions.register_type(extensions.new_array_type((array_oid,), f"EXACT_{name}S", exact), connection)

    def cursor(self, connection: Any) -> Any:
        plain = import_module("psycopg2.extensions").cursor  # the connection's own may make dicts of rows
        return connection.cursor(name=_cursor_name(), cursor_factory=plain)


class Psycopg(Postgres):
    """Psycopg 3."""

    def _begin_read_only(self, connection: Any) -> None:
        connection.read_only = True

    def keep_values_exact(self, connection: Any) -> None:
        if connection.info.encoding == "ascii":  # SQL_ASCII: text would be read as bytes
            raise ConfigurationError(
                "The database has the encoding SQL_ASCII, so that its texts have no known encoding. Set one in the "
                'connection\'s extra: {"client_encoding": "utf8"}. Nothing was sent.'
            )
        super().keep_values_exact(connection)
        types = import_module("psycopg.types.datetime")
        texts = import_module("psycopg.types.string").TextLoader

        class ExactIntervalLoader(types.IntervalLoader):  # type: ignore[name-defined, misc]
            def load(self, data: Any) -> Any:
                return _exact_moment(lambda *_: super(ExactIntervalLoader, self).load(data), bytes(data).decode())

        connection.adapters.register_loader("interval", ExactIntervalLoader)
        for network in ("inet", "cidr"):  # ipaddress writes some addresses in another form than PostgreSQL
            connection.adapters.register_loader(network, texts)
        import_module("psycopg.types.json").set_json_loads(_json_loads(), connection)

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(name=_cursor_name(), row_factory=import_module("psycopg.rows").tuple_row)


class MySqlClient(Driver):
    """mysqlclient and PyMySQL; not tested.

    :param cursors: the module of their cursors.
    """

    def __init__(self, cursors: str) -> None:
        self._cursors = cursors

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(import_module(self._cursors).SSCursor)


class MySqlConnector(Driver):
    """MySQL's own connector; not tested."""

    def cursor(self, connection: Any) -> Any:
        return connection.cursor(buffered=False)


_DRIVERS: dict[str, Callable[[], Driver]] = {
    "psycopg": Psycopg,
    "psycopg2": Psycopg2,
    "sqlite3": Sqlite,
    "MySQLdb": lambda: MySqlClient("MySQLdb.cursors"),
    "pymysql": lambda: MySqlClient("pymysql.cursors"),
    "mysql": MySqlConnector,
}


def driver_of(connection: Any) -> Driver:
    """Return the rules of the driver that made a connection, whichever class of it the hook uses."""
    for kind in type(connection).__mro__:
        found = _DRIVERS.get(kind.__module__.partition(".")[0])
        if found is not None:
            return found()
    return Driver()


def _cursor_name() -> str:
    return f"anthropic_batches_{token_hex(4)}"


def _json_loads() -> Callable[[str | bytes], Any]:
    """Return a decoder of JSON columns that keeps the digits of numbers."""
    from anthropic_batches_provider.batches.requests.exact_values import FileFloat

    return partial(json.loads, parse_float=FileFloat)


def _exact_moment(read: Callable[..., Any], text: str | None, cursor: Any = None) -> Any:
    """Read a date, a moment or an interval.

    :raises NoExactValueError: Python has no such value, though the driver returns one.
    """
    if text is None:
        return None
    if _INFINITE in text:
        raise NoExactValueError("Python has no infinite dates")
    if "mon" in text or "year" in text:
        raise NoExactValueError("an interval of months or years has no exact length")
    return read(text, cursor)


def _exact_time(read: Callable[..., Any], text: str | None, cursor: Any = None) -> Any:
    """Read a time of a day.

    :raises NoExactValueError: it is the end of the day, which Python has not.
    """
    if text is not None and text.startswith("24:"):
        raise NoExactValueError("Python has no time 24:00")
    return read(text, cursor)
