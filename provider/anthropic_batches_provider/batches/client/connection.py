"""Turns the fields of a connection form into :class:`ClientSettings`; knows the fields, but not Airflow.

Each field of the extra may be an object, or the JSON text that a form stores. A field that cannot be read raises an
error that names it, and never becomes a default. Prices are passed on unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec

from anthropic_batches_provider.batches.client.settings import DEFAULT_BASE_URL, ClientSettings, normalize_base_url
from anthropic_batches_provider.errors import ConfigurationError

CONNECTION_TYPES = ("anthropic_batches", "anthropic")


@dataclass(frozen=True, kw_only=True)
class ConnectionFields:
    """The contents of a connection, as its store returns them.

    :param conn_id: for messages.
    :param conn_type: ``anthropic_batches``, the official provider's ``anthropic``, or None where the store has no type.
    :param schema: ``http`` or ``https`` where the host names no scheme. Otherwise a path below the host, because a
        connection URI stores its path in this field.
    :param extra: the decoded extra.
    """

    conn_id: str
    conn_type: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    schema: str | None = None
    port: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def settings_of(connection: ConnectionFields, *, environment_base_url: str | None = None) -> ClientSettings:
    """Return the settings that a connection describes.

    :param environment_base_url: the base URL that the environment's credentials belong to. It applies to a connection
        that asks for these credentials and names no host: a gateway's key must not be sent elsewhere.
    :raises ConfigurationError: names the connection, the field and the fix; never a secret.
    """
    try:
        return _read(connection, environment_base_url)
    except ConfigurationError as error:
        raise ConfigurationError(f"Connection {connection.conn_id}: {error}") from None


def decoded_extra(text: str | None) -> dict[str, Any]:
    """Decode a connection's extra; unlike Airflow, never treat an extra that is not JSON as empty.

    :raises ConfigurationError: it is not a JSON object.
    """
    if not text or not text.strip():
        return {}
    return _object(text, "extra")


def _read(connection: ConnectionFields, environment_base_url: str | None) -> ClientSettings:
    if connection.conn_type and connection.conn_type not in CONNECTION_TYPES:
        raise ConfigurationError(f"its type is {connection.conn_type}, but it must be {' or '.join(CONNECTION_TYPES)}.")
    extra = connection.extra
    platform = _text(extra, "platform") or "anthropic"
    if platform.lower() != "anthropic":
        raise ConfigurationError(
            f"platform {platform} is not supported: this provider calls only the first-party API. Use another "
            'connection, with "platform": "anthropic" and an API key from the Claude Console.'
        )
    client_kwargs = _object(extra.get("anthropic_client_kwargs"), "anthropic_client_kwargs")
    credentials = _text(extra, "credentials") or "connection"
    key = _one("API key", connection.password, client_kwargs.pop("api_key", None), "password")
    base_url = _one("base URL", _base_url(connection), client_kwargs.pop("base_url", None), "host")
    if base_url is None and credentials == "environment":
        base_url = environment_base_url or None
    return ClientSettings(
        api_key=key,
        base_url=base_url or DEFAULT_BASE_URL,
        workspace_id=_text(extra, "workspace_id"),
        client_kwargs=client_kwargs,
        workload_identity=_object(extra.get("workload_identity"), "workload_identity") or None,
        credentials=cast("Literal['connection', 'environment']", credentials),
        prices=extra.get("prices"),
    )


def _one(name: str, mine: str | None, other: Any, field_name: str) -> str | None:
    """Return the one value given; the official provider reads both places, so two that differ are refused."""
    if other is not None and not isinstance(other, str):
        raise ConfigurationError(f"The {name} in anthropic_client_kwargs is not a string. Enter a string.")
    first, second = (mine or "").strip(), (other or "").strip()
    if first and second and first.rstrip("/") != second.rstrip("/"):
        raise ConfigurationError(f"anthropic_client_kwargs and {field_name} name different {name}s. Keep one.")
    return first or second or None


def _base_url(connection: ConnectionFields) -> str | None:
    host = (connection.host or "").strip()
    schema = (connection.schema or "").strip().strip("/")
    if not host:
        return None
    path = ""
    if "://" not in host:
        scheme = schema if schema in ("http", "https") else "https"
        host = f"{scheme}://{host}"
    if schema and schema not in ("http", "https"):
        path = f"/{schema}"
    base_url = normalize_base_url(host)
    if connection.port:
        scheme, _, rest = base_url.partition("://")
        authority, slash, below = rest.partition("/")
        if ":" in authority.rpartition("]")[2] and not authority.endswith(f":{connection.port}"):
            raise ConfigurationError(f"the host and the port field ({connection.port}) name different ports. Keep one.")
        bare = authority.removesuffix(f":{connection.port}")
        base_url = f"{scheme}://{bare}:{connection.port}{slash}{below}"
    return normalize_base_url(base_url + path)


def _text(extra: Mapping[str, Any], name: str) -> str | None:
    value = extra.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{name} in its extra must be a string.")
    return (value or "").strip() or None


def _object(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, str):
        if not value.strip():
            return {}
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise ConfigurationError(f"{name} is not JSON ({error}). Enter a JSON object.") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f'{name} must be a JSON object such as {{"name": "value"}}.')
    return dict(value)
