"""Warns, once in each process, of connection settings that show the key and the prompts to others."""

from __future__ import annotations

import logging
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from anthropic_batches_provider.batches.client.settings import ClientSettings

log = logging.getLogger(__name__)


def warn_if_exposed(settings: ClientSettings) -> None:
    """Warn of a host that is reached without encryption, and of certificates that are not checked."""
    parts = urlsplit(settings.base_url)
    host = parts.hostname or ""
    if parts.scheme == "http" and not _is_loopback(host):
        _warn_once(
            f"THE CONNECTION IS NOT ENCRYPTED: its host is http://{host}, so the API key and all prompts can be read "
            "on the way. Use https:// in the connection's host."
        )
    if settings.client_kwargs.get("verify") is False:
        _warn_once(
            f'CERTIFICATES ARE NOT CHECKED: the connection to {host} says "verify": false, so anybody on the way can '
            "read the API key and all prompts. Give the path of your CA bundle instead."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@cache
def _warn_once(text: str) -> None:
    log.warning(text)
