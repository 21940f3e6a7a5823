"""Which certificates a client trusts: those that the connection or the environment names, checked before any call.

Python's errors name neither the setting nor the path, and a folder without hashed names is no error to OpenSSL: every
call would fail.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from anthropic_batches_provider.batches.client.settings import ClientSettings
from anthropic_batches_provider.errors import ConfigurationError

_FIELD = "anthropic_client_kwargs: verify"
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")  # the only names that OpenSSL looks for in a folder


def trusted_certificates(
    settings: ClientSettings, environment: Mapping[str, str] = os.environ
) -> ssl.SSLContext | bool:
    """Return the HTTP library's ``verify`` argument: a context for a path, else whether certificates are checked.

    :raises ConfigurationError: names the field or the variable, the path and the fix.
    """
    verify = settings.client_kwargs.get("verify")
    if verify is False:
        return False
    if not isinstance(verify, str) or not verify:
        _check_environment(environment, encrypted=settings.base_url.startswith("https:"))
        return True
    if verify.strip().lower() in ("true", "false"):
        raise ConfigurationError(
            f"{_FIELD} is the text {verify!r}, not a path. Write true or false without quotes. Nothing was sent."
        )
    path = Path(os.path.expanduser(verify))  # noqa: PTH111 - unlike pathlib's, leaves ~ of an unknown user as it is
    return _context(_FIELD, path)


def _check_environment(environment: Mapping[str, str], *, encrypted: bool) -> None:
    """Check what the HTTP library reads: ``SSL_CERT_FILE``, and only without it ``SSL_CERT_DIR``."""
    if file := environment.get("SSL_CERT_FILE"):
        path = Path(file)
        stat = _stat("SSL_CERT_FILE", path)
        if path.is_dir():
            raise ConfigurationError(
                f"SSL_CERT_FILE is {file!r}, which is a folder. Name a file, or set SSL_CERT_DIR instead. "
                "Nothing was sent."
            )
        _check_bundle("SSL_CERT_FILE", path, stat.st_mtime_ns, stat.st_size)
        return
    folders = environment.get("SSL_CERT_DIR")
    if folders and encrypted and not any(_has_hashed_names(Path(f)) for f in folders.split(os.pathsep) if f):
        raise _no_hashed_names("SSL_CERT_DIR", folders)


def _context(place: str, path: Path) -> ssl.SSLContext:
    _stat(place, path)
    if not path.is_dir():
        return _loaded(place, path)
    if not _has_hashed_names(path):
        raise _no_hashed_names(place, str(path))
    return ssl.create_default_context(capath=path)


@lru_cache(maxsize=8)
def _check_bundle(place: str, path: Path, changed: int, size: int) -> None:
    """Load a bundle once in each process and for each version of the file: loading takes tens of milliseconds."""
    _loaded(place, path)


def _loaded(place: str, path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{place} is {str(path)!r}, a file without certificates that OpenSSL can read ({error.reason or error}). "
            "Name a bundle of CA certificates in PEM form: text that begins with -----BEGIN CERTIFICATE-----. "
            "Nothing was sent."
        ) from None
    except OSError as error:
        raise _unreadable(place, path, error) from None


def _stat(place: str, path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(place, path, error) from None


def _has_hashed_names(folder: Path) -> bool:
    try:
        return any(_HASHED_NAME.fullmatch(entry.name) for entry in folder.iterdir())
    except OSError:
        return False


def _unreadable(place: str, path: Path, error: Exception) -> ConfigurationError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    fix = "Write the whole path" if str(path).startswith("~") else "Correct the path"
    return ConfigurationError(
        f"{place} is {str(path)!r}, which cannot be read in this process's file system ({reason}). "
        f"{fix}, or put the CA bundle there. Nothing was sent."
    )


def _no_hashed_names(place: str, folder: str) -> ConfigurationError:
    return ConfigurationError(
        f"{place} is {folder!r}, but no certificate is there under a name that OpenSSL looks for, such as 1a2b3c4d.0. "
        "Run `openssl rehash` on the folder, or name a file with all CA certificates. Nothing was sent."
    )
