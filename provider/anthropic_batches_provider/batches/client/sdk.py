"""Builds the SDK's clients from settings, so that nothing else in the process's environment reaches a request.

The SDK does not offer three things that this module needs. The module sets the SDK's attributes ``_custom_headers`` and
``_client.follow_redirects``, and reads its signature instead. Tests with the oldest and the newest SDK check them by
the requests that reach a server.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anthropic
import httpx2
from anthropic.lib.credentials import IdentityTokenFile, WorkloadIdentityCredentials

from anthropic_batches_provider.batches.client import proxies
from anthropic_batches_provider.batches.client.certificates import trusted_certificates
from anthropic_batches_provider.batches.client.exposure import warn_if_exposed
from anthropic_batches_provider.batches.client.http_log_filter import filter_http_log
from anthropic_batches_provider.batches.client.settings import ClientSettings
from anthropic_batches_provider.errors import ConfigurationError

_Sdk = TypeVar("_Sdk", anthropic.Anthropic, anthropic.AsyncAnthropic)


class _HttpClasses(NamedTuple):
    """The classes of one kind, sync or async: the SDK's client, the HTTP library's own client, and its transport."""

    default: Any
    plain: Any
    transport: Any


_SYNC = _HttpClasses(anthropic.DefaultHttpxClient, httpx2.Client, httpx2.HTTPTransport)
_ASYNC = _HttpClasses(anthropic.DefaultAsyncHttpxClient, httpx2.AsyncClient, httpx2.AsyncHTTPTransport)


def build_sync(settings: ClientSettings) -> anthropic.Anthropic:
    """Build the SDK's sync client; this loads a TLS context, which takes tens of milliseconds.

    :raises ConfigurationError: the SDK refuses the settings, the environment names a proxy or certificates that cannot
        be used, or it holds no credential.
    """
    return _build(anthropic.Anthropic, settings, _SYNC)


def build_async(settings: ClientSettings) -> anthropic.AsyncAnthropic:
    """Build the SDK's async client; call it in a thread, because it takes as long as :func:`build_sync`."""
    return _build(anthropic.AsyncAnthropic, settings, _ASYNC)


def call_timeout(timeout: Any) -> httpx2.Timeout | None:
    """Translate ``client_kwargs["timeout"]``; a value that an object leaves out gets the SDK's default."""
    if isinstance(timeout, Mapping):
        default = (
            anthropic.DEFAULT_TIMEOUT if hasattr(anthropic, "DEFAULT_TIMEOUT") else httpx2.Timeout(600, connect=5.0)
        )
        return httpx2.Timeout(
            connect=timeout.get("connect", default.connect),
            read=timeout.get("read", default.read),
            write=timeout.get("write", default.write),
            pool=timeout.get("pool", default.pool),
        )
    return None if timeout is None else httpx2.Timeout(timeout)


def _build(sdk_class: type[_Sdk], settings: ClientSettings, classes: _HttpClasses) -> _Sdk:
    filter_http_log()
    warn_if_exposed(settings)
    _check_host(settings.base_url)
    headers = dict(settings.client_kwargs.get("default_headers") or {})
    if settings.workspace_id and settings.workload_identity is None:  # a federation token carries its own workspace
        headers["anthropic-workspace-id"] = settings.workspace_id
    arguments: dict[str, Any] = {"base_url": settings.base_url, "default_headers": headers, **_credential(settings)}
    for name in ("max_retries", "default_query"):
        if settings.client_kwargs.get(name) is not None:
            arguments[name] = settings.client_kwargs[name]
    if (timeout := call_timeout(settings.client_kwargs.get("timeout"))) is not None:
        arguments["timeout"] = timeout
    if "open_telemetry" in inspect.signature(sdk_class.__init__).parameters:  # since 2.0; off unless asked for
        arguments["open_telemetry"] = settings.client_kwargs.get("open_telemetry") or False
    trust, reads_ipv6 = trusted_certificates(settings), proxies.check_environment()
    try:
        arguments |= _http_client(settings, classes, trust, reads_ipv6=reads_ipv6)
        sdk: _Sdk = sdk_class(**arguments)
    except (anthropic.AnthropicError, httpx2.InvalidURL, TypeError, ValueError, OSError, ImportError) as error:
        raise ConfigurationError(
            f"The SDK refuses the connection's settings ({type(error).__name__}: {_without(settings.secrets, error)}). "
            "Correct the connection's extra, or the proxies and certificates in this process's environment. "
            "Nothing was sent."
        ) from None
    sdk._client.follow_redirects = False  # a redirect would take the key and all headers to another host
    if settings.credentials == "connection":
        sdk._custom_headers = headers  # drops what ANTHROPIC_CUSTOM_HEADERS added
    elif not (sdk.api_key or sdk.auth_token or sdk.credentials):
        raise ConfigurationError(
            'The connection says "credentials": "environment", but the SDK finds no credential there '
            "(ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, a profile or workload identity). "
            "Set one where this process runs."
        )
    return sdk


def _credential(settings: ClientSettings) -> dict[str, Any]:
    if settings.api_key:
        return {"api_key": settings.api_key}
    if settings.workload_identity is None:
        return {}
    identity: dict[str, Any] = {name: value for name, value in settings.workload_identity.items() if value}
    token_file: str = identity.pop("identity_token_file")
    if not Path(token_file).is_file():
        raise ConfigurationError(
            f"workload_identity: there is no file {token_file} in this process's file system. "
            "Create it there, or correct identity_token_file."
        )
    return {
        "credentials": WorkloadIdentityCredentials(identity_token_provider=IdentityTokenFile(token_file), **identity)
    }


def _check_host(base_url: str) -> None:
    try:
        httpx2.URL(base_url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            f"The connection's host {base_url} is not a URL that the HTTP library can call ({error}). Correct the "
            "host. Nothing was sent."
        ) from None


def _http_client(
    settings: ClientSettings, classes: _HttpClasses, trust: ssl.SSLContext | bool, *, reads_ipv6: bool
) -> dict[str, Any]:
    """Return the ``http_client`` argument, empty if the SDK's own default will do.

    :param reads_ipv6: make the client of the HTTP library's own class, which understands more of ``NO_PROXY``. It lacks
        the SDK's TCP keep-alive.
    """
    proxy = settings.client_kwargs.get("proxy")
    if proxy is None and trust is True and not reads_ipv6:
        return {}
    mounts = {}
    if proxy is not None:  # takes precedence over HTTPS_PROXY
        transport = classes.transport
        mounts = {scheme: transport(proxy=proxy, verify=trust) for scheme in ("all://", "http://", "https://")}
    if reads_ipv6:
        limits = anthropic.DEFAULT_CONNECTION_LIMITS
        return {"http_client": classes.plain(verify=trust, mounts=mounts, limits=limits)}
    return {"http_client": classes.default(verify=trust, mounts=mounts)}


def _without(secrets: tuple[str, ...], error: BaseException) -> str:
    text = str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
