"""The proxies that the environment and the connection name, checked before the HTTP library reads them.

The library's errors name neither the variable nor the entry at fault. Each check asks the library itself, so that
nothing is refused that it can use. No message shows a proxy's user or password.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.request import getproxies

import httpx2

from anthropic_batches_provider.errors import ConfigurationError

_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*[\"']?)?(/.*)?")
_MISSPELT_IPV6 = re.compile(r"[0-9a-fA-F.\[\]/]*:[0-9a-fA-F.\[\]/]*:[0-9a-fA-F:.\[\]/]*")
_IPV6_ENTRY = re.compile(r"\[(?P<bracketed>[^\[\]/]+)\](:\d+|/\d+)?|(?P<bare>[^\[\]/]+)/\d+")


def check_proxy(place: str, url: str) -> None:
    """Check the URL of the connection's proxy, which takes every call.

    :param place: the field that names it.
    :raises ConfigurationError: no call could go through it.
    """
    proxy = _read(place, url, url)
    if not proxy.host or "%20" in proxy.host or not 0 < (proxy.port or 1) < 1 << 16:
        raise _no_proxy(place, url)


def check_environment() -> bool:
    """Check the variables that the SDK reads: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

    :returns: whether ``NO_PROXY`` holds IPv6 entries that the SDK's HTTP client cannot read, but the HTTP library's own
        can: networks, and addresses in brackets.
    :raises ConfigurationError: names the variable, and the entry at fault.
    """
    proxies = getproxies()
    not_proxied = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if "*" in not_proxied:
        return False
    for scheme in ("http", "https", "all"):
        if url := proxies.get(scheme):
            _read(_variable(scheme, url), url, url if "://" in url else f"http://{url}")
    unreadable = [entry for entry in not_proxied if entry and not _can_read(_as_the_sdk_reads(entry))]
    for entry in unreadable:
        if not _is_ipv6(entry):
            variable, named = _variable("no", proxies["no"]), entry.rpartition("@")[2]
            raise ConfigurationError(
                f"{variable} holds the entry {named!r}, which the HTTP library cannot read. Correct or remove it: "
                "entries are names in ASCII (.example.org), addresses or networks (10.0.0.0/8, fd00::/8), with commas "
                "between them. Nothing was sent."
            )
    return bool(unreadable)


def _read(place: str, named: str, url: str) -> httpx2.URL:
    """Return the URL of a proxy as the HTTP library reads it.

    :param named: the URL as the setting has it, for messages.
    """
    try:
        proxy = httpx2.Proxy(url).url
    except (httpx2.InvalidURL, ValueError):
        raise _no_proxy(place, named) from None
    if proxy.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"{place} is {_shown(named)!r}, but the package for SOCKS proxies is not installed here. "
            "Install httpx2[socks], or name an http:// proxy. Nothing was sent."
        )
    return proxy


def _no_proxy(place: str, url: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} is {_shown(url)!r}, which is not the URL of a proxy. Write it as http://proxy.example:3128 (or "
        "https://, socks5://, socks5h://), and percent-encode its user and password. Nothing was sent."
    )


def _shown(url: str) -> str:
    """Return the URL of a proxy, however misspelt, without its user and password."""
    beginning, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"\W?[a-zA-Z0-9+.-]{0,10}", beginning):
        beginning, separator, rest = "", "", url
    if "@" in rest:
        rest = f"***@{rest.rpartition('@')[2]}"
    if not (_HOST_AND_PORT.fullmatch(rest) or _MISSPELT_IPV6.fullmatch(rest)):  # perhaps a user and password
        rest = f"{rest.partition(':')[0]}:***"
    return f"{beginning}{separator}{rest}"


def _variable(name: str, value: str) -> str:
    """Return the variable that set a value; a lower-case name comes before the same in capitals."""
    named = [variable for variable in os.environ if variable.lower() == f"{name}_proxy"]
    setting = [variable for variable in sorted(named, reverse=True) if os.environ[variable] == value]
    return setting[0] if setting else f"the system's {name} proxy setting"


def _can_read(pattern: str) -> bool:
    try:
        httpx2.Client(transport=httpx2.BaseTransport(), mounts={pattern: None})
    except (httpx2.InvalidURL, ValueError):
        return False
    return True


def _as_the_sdk_reads(entry: str) -> str:
    """Return the pattern that the SDK makes of an entry (``anthropic._utils._httpx``, SDK 1.0.0 to 2.11.0)."""
    if "://" in entry:
        return entry
    address = entry.split("/")[0]
    if _is_address(address, IPv4Address) or entry.lower() == "localhost":
        return f"all://{entry}"
    return f"all://[{entry}]" if _is_address(address, IPv6Address) else f"all://*{entry}"


def _is_ipv6(entry: str) -> bool:
    """Return whether an entry is an IPv6 network, or an address in brackets, that the HTTP library can read."""
    found = _IPV6_ENTRY.fullmatch(entry)
    if found is None or not _is_address(found["bracketed"] or found["bare"], IPv6Address):
        return False
    address, slash, length = entry.partition("/")
    return _can_read(f"all://{entry}" if found["bracketed"] else f"all://[{address}]{slash}{length}")


def _is_address(text: str, kind: type[IPv4Address | IPv6Address]) -> bool:
    try:
        kind(text)
    except AddressValueError:
        return False
    return True
