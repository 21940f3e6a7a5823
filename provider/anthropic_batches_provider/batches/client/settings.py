"""The connection's settings as a checked value: how to reach the API, and with which credential.

Invariants: exactly one source of credentials; no secret in ``repr`` or in an error; no pickling; one spelling of a base
URL, because it is part of the account's identity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn
from urllib.parse import unquote, urlsplit

from anthropic_batches_provider.batches.client.proxies import check_proxy
from anthropic_batches_provider.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.anthropic.com"

CLIENT_KWARGS = ("timeout", "max_retries", "default_headers", "default_query", "proxy", "verify", "open_telemetry")
_TIMEOUT_KEYS = frozenset(("connect", "read", "write", "pool"))
_WORKLOAD_IDENTITY_REQUIRED = ("identity_token_file", "federation_rule_id", "organization_id")
_WORKLOAD_IDENTITY_OPTIONAL = ("service_account_id", "workspace_id", "scope")

# Headers that the client sets per call: a second value would be a second credential, or a body of another length.
_RESERVED_HEADERS = frozenset(
    (
        "authorization",
        "x-api-key",
        "anthropic-workspace-id",
        "content-length",
        "content-type",
        "transfer-encoding",
        "host",
    )
)
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """All settings of a client; the hook creates them from an Airflow connection.

    :param api_key: the API key, if that is the credential.
    :param base_url: root of the API, without ``/v1``.
    :param workspace_id: workspace to name in each call (``wrkspc_…``), for keys that serve several workspaces. It is
        also the account's workspace where a proxy strips the response headers.
    :param client_kwargs: further arguments of the SDK's client; see :data:`CLIENT_KWARGS`. ``timeout`` is in seconds,
        or ``{"connect", "read", "write", "pool"}``. ``max_retries`` (0 to 10, default 2) does not apply to create
        calls, which are never repeated. ``verify`` is false, or the path of a CA bundle or of a folder that
        ``openssl rehash`` has prepared.
    :param workload_identity: ``identity_token_file``, ``federation_rule_id``, ``organization_id`` and optionally
        ``service_account_id``, ``workspace_id``, ``scope``: a credential without a key.
    :param prices: the user's own prices by model, as the connection has them: a dict, or its JSON. Not checked here,
        because a wait must not fail for them: ``edge/prices.py`` does.
    :param credentials: ``"connection"``: the credential is the key or the workload identity given here;
        ``"environment"``: the SDK finds it in the environment of the process.
    :raises ConfigurationError: there is no credential, there are two, or a setting is invalid.
    """

    api_key: str | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    workspace_id: str | None = None
    client_kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    workload_identity: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    credentials: Literal["connection", "environment"] = "connection"
    prices: Any = field(default=None, repr=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", normalize_base_url(self.base_url))
        self._check_credentials()
        if self.workspace_id is not None and not _HEADER_VALUE.fullmatch(self.workspace_id):
            raise ConfigurationError("workspace_id must be an id such as wrkspc_…: printable ASCII without spaces.")
        _check_client_kwargs(self.client_kwargs)

    def __reduce__(self) -> NoReturn:
        raise TypeError("Connection settings hold secrets and cannot be pickled. Pass the connection's id instead.")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The strings that must never appear in a message or a log."""
        found = [self.api_key or ""]
        for name, value in (self.client_kwargs.get("default_headers") or {}).items():
            if _SECRET_HEADER.search(name):
                found += [value, *value.split()]
        if proxy := self.client_kwargs.get("proxy"):
            password = urlsplit(proxy).password or ""
            found += [password, unquote(password)]
        return tuple(dict.fromkeys(secret for secret in found if len(secret) > 3))

    @property
    def account_workspace_id(self) -> str | None:
        """The workspace to assume where the answers do not name it."""
        return self.workspace_id or (self.workload_identity or {}).get("workspace_id")

    def _check_credentials(self) -> None:
        if self.credentials not in ("connection", "environment"):
            raise ConfigurationError('credentials must be "connection" or "environment".')
        given = []
        if self.api_key:
            given.append("an API key (password)")
        if self.workload_identity:
            given.append("workload_identity")
        if self.credentials == "environment":
            given.append('"credentials": "environment"')
        if not given:
            raise ConfigurationError(
                "The connection holds no credential. Put the API key into the connection's password, or "
                'workload_identity or "credentials": "environment" into its extra. '
                "This provider takes a credential from elsewhere only if the connection says so."
            )
        if len(given) > 1:
            raise ConfigurationError(f"The connection names more than one credential: {', '.join(given)}. Keep one.")
        if self.api_key and not _HEADER_VALUE.fullmatch(self.api_key):
            raise ConfigurationError(
                "The API key holds a space, a line break or a character outside ASCII. "
                "Copy it again from the Claude Console."
            )
        if self.workload_identity:
            _check_workload_identity(self.workload_identity)


def normalize_base_url(text: str) -> str:
    """Return a base URL in the one spelling that identifies it: lower-case host, no default port, no trailing slash.

    :raises ConfigurationError: it is not an ``http`` or ``https`` URL, or holds a user, a query or a fragment.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(
            "The base URL (host of the connection) is not a valid URL. "
            "Enter one that begins with https:// and names a host."
        ) from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("The base URL (host of the connection) must begin with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            f"The base URL of {host} holds a user or password. "
            "Remove them; put the API key into the connection's password."
        )
    if parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\x7f]", parts.path + host):
        raise ConfigurationError(f"The base URL of {host} must not hold a query, fragment or space.")
    if ":" in host:
        host = f"[{host}]"
    default_port = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{host}{'' if port in (None, default_port) else f':{port}'}{parts.path.rstrip('/')}"


def _check_workload_identity(workload_identity: Mapping[str, Any]) -> None:
    missing = [name for name in _WORKLOAD_IDENTITY_REQUIRED if not workload_identity.get(name)]
    if missing:
        raise ConfigurationError(f"workload_identity lacks {', '.join(missing)}. Add what is missing.")
    unknown = sorted(set(workload_identity) - {*_WORKLOAD_IDENTITY_REQUIRED, *_WORKLOAD_IDENTITY_OPTIONAL})
    if unknown:
        raise ConfigurationError(f"workload_identity does not support {', '.join(unknown)}. Remove every such key.")
    if odd := sorted(name for name, value in workload_identity.items() if not isinstance(value, str | None)):
        raise ConfigurationError(f"workload_identity: every value must be a string. Correct {', '.join(odd)}.")


def _check_client_kwargs(kwargs: Mapping[str, Any]) -> None:
    unknown = sorted(set(kwargs) - set(CLIENT_KWARGS))
    if unknown:
        raise ConfigurationError(
            f"anthropic_client_kwargs holds {', '.join(unknown)}, which this provider does not pass on. Use only "
            f"{', '.join(CLIENT_KWARGS)}. The provider sets credentials, base URL, retries and redirects itself."
        )
    _check_timeout(kwargs.get("timeout"))
    retries = kwargs.get("max_retries", 2)
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 10:
        raise ConfigurationError("anthropic_client_kwargs: max_retries must be a whole number from 0 to 10.")
    _check_headers(kwargs.get("default_headers") or {})
    if not isinstance(kwargs.get("default_query") or {}, Mapping):
        raise ConfigurationError("anthropic_client_kwargs: default_query must be an object.")
    proxy = kwargs.get("proxy")
    if proxy is not None and not (isinstance(proxy, str) and re.match(r"(https?|socks5h?)://[^/]", proxy)):
        raise ConfigurationError("anthropic_client_kwargs: proxy must be a URL such as http://proxy.example:3128.")
    if proxy is not None:
        check_proxy("anthropic_client_kwargs: proxy", proxy)
    if not isinstance(kwargs.get("verify", True), bool | str):
        raise ConfigurationError("anthropic_client_kwargs: verify must be true, false or the path of a CA bundle.")


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ConfigurationError("anthropic_client_kwargs: default_headers must be an object of strings.")
    for name, value in headers.items():
        if name.lower() in _RESERVED_HEADERS:
            raise ConfigurationError(
                f"anthropic_client_kwargs: default_headers must not hold {name}, which this provider sets itself. "
                "Put the key into the connection's password, and the workspace into workspace_id of the extra."
            )
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or not re.fullmatch(r"[\x20-\x7e]*", value):
            raise ConfigurationError(f"anthropic_client_kwargs: {name!r} is not an HTTP header with a printable value.")


def _check_timeout(timeout: Any) -> None:
    values = list(timeout.values()) if isinstance(timeout, Mapping) else [timeout]
    if isinstance(timeout, Mapping) and not set(timeout) <= _TIMEOUT_KEYS:
        raise ConfigurationError(f"anthropic_client_kwargs: timeout may hold only {', '.join(sorted(_TIMEOUT_KEYS))}.")
    for value in values:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
            raise ConfigurationError(
                "anthropic_client_kwargs: timeout must be a number of seconds above 0, or an object of such numbers."
            )
