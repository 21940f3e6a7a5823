"""Turns the id of an Airflow connection into settings and clients of the Message Batches API.

Reading a connection imports the SDK. On an event loop, a thread does this import and builds each client.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from anthropic_batches_provider.edge.connection_form import CONNECTION_TYPE, DEFAULT_CONN_ID
from anthropic_batches_provider.edge.job_references import find_job
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings

_CLIENT_MODULE = "anthropic_batches_provider.batches.client"
_ENVIRONMENT_SECRETS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def connection_of(conn_id: str | None, job: Any) -> str:
    """Return the connection to use: the operator's own, else the one that submitted the job, else the default."""
    if conn_id:
        return conn_id
    first = job[0] if not isinstance(job, (str, Mapping)) and isinstance(job, Sequence) and job else job
    if isinstance(first, Mapping) and first.get("conn_id"):
        return str(first["conn_id"])
    if isinstance(first, str):
        return find_job(first).description().conn_id
    return DEFAULT_CONN_ID


def host_of(conn_id: str) -> str:
    """Return a connection's host as it was entered, empty for the public one, without importing the SDK.

    :raises ConfigurationError: there is no such connection.
    """
    try:
        return BaseHook.get_connection(conn_id).host or ""
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"There is no Airflow connection {conn_id!r}. Add one of type anthropic_batches with the API key as its "
            "password. Nothing was sent."
        ) from error


def read_settings(conn_id: str, *, hook: BaseHook | type[BaseHook] = BaseHook) -> ClientSettings:
    """Read a connection, and mask the secrets that Airflow does not mask itself.

    :param hook: the class or object that resolves the connection.
    :raises ConfigurationError: the connection is missing or cannot be used; the message names the field.
    """
    try:
        connection = hook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise _no_connection(conn_id) from error
    _check_extra(conn_id, connection)
    settings = _settings_of(conn_id, connection, connection.extra_dejson)
    for secret in _unmasked(settings, connection):
        _mask(secret)
    return settings


async def read_settings_async(conn_id: str, *, hook: BaseHook | type[BaseHook] = BaseHook) -> ClientSettings:
    """Read a connection on an event loop, as :func:`read_settings` does."""
    from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
    from asgiref.sync import sync_to_async

    await asyncio.to_thread(importlib.import_module, _CLIENT_MODULE)
    try:
        connection = await get_async_connection(conn_id, hook=hook)
    except (AirflowNotFoundException, AttributeError, NotImplementedError):
        # `dag.test()` has no async channel to a supervisor. If there is one, the sync path raises the same error again.
        return await sync_to_async(read_settings)(conn_id, hook=hook)
    _check_extra(conn_id, connection)
    settings = _settings_of(conn_id, connection, await get_async_extra_dejson(connection))
    for secret in _unmasked(settings, connection):
        await sync_to_async(_mask)(secret)
    return settings


async def new_async_client(settings: ClientSettings) -> AsyncMessageBatchClient:
    """Return a new async client, built in a thread because its TLS context takes a while."""
    return await asyncio.to_thread(_build_async_client, settings)


def _build_async_client(settings: ClientSettings) -> AsyncMessageBatchClient:
    from anthropic_batches_provider.batches.client import AsyncMessageBatchClient

    return AsyncMessageBatchClient(settings)


def _settings_of(conn_id: str, connection: Any, extra: Mapping[str, Any]) -> ClientSettings:
    from anthropic_batches_provider.batches.client import ConnectionFields, settings_of

    fields = ConnectionFields(
        conn_id=conn_id,
        conn_type=connection.conn_type,
        password=connection.password,
        host=connection.host,
        schema=connection.schema,
        port=connection.port,
        extra=extra,
    )
    return settings_of(fields, environment_base_url=os.environ.get("ANTHROPIC_BASE_URL"))


def _check_extra(conn_id: str, connection: Any) -> None:
    from anthropic_batches_provider.batches.client import decoded_extra

    try:
        decoded_extra(connection.extra)
    except ConfigurationError as error:
        raise ConfigurationError(f"Connection {conn_id}: {error}") from None


def _no_connection(conn_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no connection {conn_id}. Create it with type {CONNECTION_TYPE} and the API key as its password."
    )


def _unmasked(settings: ClientSettings, connection: Any) -> list[str]:
    """Return the secrets other than the connection's password, which Airflow masks itself."""
    found = list(settings.secrets)
    if settings.credentials == "environment":
        found += [os.environ.get(name, "") for name in _ENVIRONMENT_SECRETS]
    return [secret for secret in found if secret and secret != connection.password]


def _mask(secret: str) -> None:
    from airflow.providers.common.compat.sdk import mask_secret

    mask_secret(secret)
