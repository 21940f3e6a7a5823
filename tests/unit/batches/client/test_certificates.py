"""Certificates that the connection or the environment names, and which cannot be used, are named before any call."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.client.certificates import trusted_certificates
from anthropic_batches_provider.errors import ConfigurationError

# A self-signed certificate without a key that anybody kept.
PEM = """\
-----BEGIN CERTIFICATE-----
MIIBgDCCASegAwIBAgIUCBdeDiFBN8Fg4ECpQjbfUbVSsfYwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKY2EuZXhhbXBsZTAgFw0yNjExMjgxNTI4NTlaGA8yMTI2MTEw
NDE1Mjg1OVowFTETMBEGA1UEAwwKY2EuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABDoQ4zVo3+geXvLvG14Lic4JXXzp1HG69JJBa6bphJNFcFjq7XJY
pRjpndD1XpHLbAd0R030olw1a7uoGcfjTWyjUzBRMB0GA1UdDgQWBBTqM0I9yqdb
Lp6dN0j/Yj2qGVBNVTAfBgNVHSMEGDAWgBTqM0I9yqdbLp6dN0j/Yj2qGVBNVTAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIGTwsj3lPUX4G7ZFc8F7
PNpj9dMvhOOvkJFTEvJ0nUDzAiBsG4EX7vMLh0MNnXUxBlK9gjZgfjcVl0pl49pP
ZBrrjQ==
-----END CERTIFICATE-----
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(PEM)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as ``openssl rehash`` leaves it."""
    path = tmp_path / "certs"
    path.mkdir()
    (path / "12ab34cd.0").write_text(PEM)
    return path


def settings(base_url: str = "https://gateway.example", **kwargs: Any) -> ClientSettings:
    return ClientSettings(api_key="sk-ant-certificates", base_url=base_url, client_kwargs=kwargs)


def new_clients(given: ClientSettings) -> None:
    """Make a client of each kind."""
    MessageBatchClient(given).close()
    AsyncMessageBatchClient(given)


def test_a_bundle_is_trusted_and_nothing_else(bundle: Path) -> None:
    trust = trusted_certificates(settings(verify=str(bundle)))
    assert isinstance(trust, ssl.SSLContext)
    assert trust.cert_store_stats()["x509"] == 1
    new_clients(settings(verify=str(bundle)))


def test_a_folder_that_openssl_can_search_is_trusted(folder: Path) -> None:
    assert isinstance(trusted_certificates(settings(verify=str(folder))), ssl.SSLContext)
    new_clients(settings(verify=str(folder)))


def test_a_home_folder_is_expanded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(bundle.parent))
    assert isinstance(trusted_certificates(settings(verify="~/ca.pem")), ssl.SSLContext)


@pytest.mark.parametrize("given", [{}, {"verify": True}, {"verify": ""}])
def test_without_a_path_the_library_chooses(given: dict[str, Any]) -> None:
    assert trusted_certificates(settings(**given)) is True


def test_certificates_are_unchecked_only_if_the_connection_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")  # not read then
    assert trusted_certificates(settings(verify=False)) is False


FILES = {"empty.pem": "", "text.pem": "hello", "cut.pem": PEM[:200], "odd.pem": PEM.replace("M", "!")}


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_certificates_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    told = f"is '{path}', a file without certificates .* PEM"
    with pytest.raises(ConfigurationError, match=f"^anthropic_client_kwargs: verify {told}"):
        new_clients(settings(verify=str(path)))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match=f"^SSL_CERT_FILE {told}"):
        new_clients(settings())


@pytest.mark.parametrize("path", ["/nowhere/ca.pem", "a\0b", "  ", "~nobody-has-this-name/ca.pem"])
def test_a_path_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^anthropic_client_kwargs: verify is .* cannot be read .* path"
    ) as caught:
        new_clients(settings(verify=path))
    assert repr(path) in str(caught.value)
    assert "host" not in str(caught.value)


@pytest.mark.parametrize("text", ["false", "True"])
def test_a_word_in_quotes_is_no_path(text: str) -> None:
    with pytest.raises(ConfigurationError, match="true or false without quotes"):
        new_clients(settings(verify=text))


def test_a_folder_that_openssl_cannot_search_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = f"'{bundle.parent}', but no certificate is there .* Run `openssl rehash`"
    with pytest.raises(ConfigurationError, match=f"^anthropic_client_kwargs: verify is {told}"):
        new_clients(settings(verify=str(bundle.parent)))
    monkeypatch.setenv("SSL_CERT_DIR", str(bundle.parent))
    with pytest.raises(ConfigurationError, match=f"^SSL_CERT_DIR is {told}"):
        new_clients(settings())


@pytest.mark.parametrize(
    ("file", "told"), [("/nowhere/ca.pem", "Correct the path"), ("~/ca.pem", "Write the whole path"), ("/", "a folder")]
)
def test_a_variable_that_names_no_bundle_is_named(file: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", file)
    with pytest.raises(ConfigurationError, match=f"^SSL_CERT_FILE is '{file}'.*{told}"):
        new_clients(settings())


def test_variables_that_can_be_used_pass(bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{folder}")
    assert trusted_certificates(settings()) is True
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")  # not read without encryption, and not beside a file
    assert trusted_certificates(settings("http://gateway.example")) is True
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert trusted_certificates(settings()) is True
    new_clients(settings())


def test_a_bundle_that_was_replaced_is_checked_again(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    new_clients(settings())
    bundle.write_text("no longer")
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE is"):
        new_clients(settings())
