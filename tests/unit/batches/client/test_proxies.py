"""Proxies that the HTTP library cannot use are named when a client is made, and shown without their passwords."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx2
import pytest

from anthropic_batches_provider.batches.client import AsyncMessageBatchClient, ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.client.proxies import check_environment, check_proxy
from anthropic_batches_provider.errors import ConfigurationError

KEY = "sk-ant-proxies"
PASSWORD = "hush-hush"
HOST = "gateway.example"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def goes_direct(kind: str, url: str, **kwargs: Any) -> bool:
    """Return whether a new client of this kind would call a URL without a proxy."""
    settings = ClientSettings(api_key=KEY, base_url=f"https://{HOST}", client_kwargs=kwargs)
    client: Any = MessageBatchClient(settings) if kind == "sync" else AsyncMessageBatchClient(settings)
    http = client.sdk._client
    direct: bool = http._transport_for_url(httpx2.URL(url)) is http._transport
    closed = client.close()
    if kind == "async":
        asyncio.run(closed)
    return direct


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("no_proxy", "inside", "outside"),
    [
        ("localhost,127.0.0.0/8,::1/128", "http://[::1]:8000", "https://[::2]"),
        ("localhost,::1,[::1]", "http://[::1]", "https://[::2]"),
        ("fe80::/10,.local", "https://[fe80::7]", "https://[fd00::7]"),
        ("fe80::/10,.local", "https://gw.local", "https://gw.example"),
        ("[fd00::]/8, 10.0.0.0/8", "https://10.1.2.3", "https://11.1.2.3"),
        ("[fd00::1]:8080", "http://[fd00::1]:8080", "http://[fd00::1]:8081"),
        ("::/0", "https://[2001:db8::1]", "https://gw.example"),
        (".example.org", "https://gw.example.org", "https://gw.example"),
    ],
)
def test_entries_of_no_proxy_are_obeyed_in_every_spelling(
    kind: str, no_proxy: str, inside: str, outside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    assert goes_direct(kind, inside)
    assert not goes_direct(kind, outside)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("no_proxy", "named"),
    [
        ("localhost,::1/129", "'::1/129'"),
        ("[::1", r"'\[::1'"),
        ("[::1/128]", r"'\[::1/128\]'"),
        ("10.0.0.0/33,::1/128", "'10.0.0.0/33'"),
        ("example.com:port", "'example.com:port'"),
        (".büro.example", "'.büro.example'"),
        ("http://[::1", r"'http://\[::1'"),
        ("localhost, a\tb", r"'a\\tb'"),
        (f"http://me:{PASSWORD}@gw:x", "'gw:x'"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(
    kind: str, no_proxy: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with pytest.raises(
        ConfigurationError, match=f"^NO_PROXY holds the entry {named}, .* Correct or remove it"
    ) as caught:
        goes_direct(kind, "https://gw.example")
    assert PASSWORD not in str(caught.value)
    assert "host" not in str(caught.value)


def test_an_entry_of_a_client_with_its_own_proxy_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "::1/128")
    assert goes_direct("sync", "http://[::1]", proxy="http://proxy.example:3128")
    assert not goes_direct("sync", "https://gw.example", proxy="http://proxy.example:3128")


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("socks4://proxy:1", "socks4://proxy:1"),
        (f"http://me:{PASSWORD}@proxy:port", r"http://\*\*\*@proxy:\*\*\*"),
        (f"http://me:hush/-{PASSWORD}@proxy:3128", r"http://\*\*\*@proxy:3128"),
        (f"me:{PASSWORD}#@proxy:3128", r"\*\*\*@proxy:3128"),
        (f"http://me:{PASSWORD}", r"http://me:\*\*\*"),
        ("::1", "::1"),
        ("http://[::1", r"http://\[::1"),
        (" http://proxy:3128", " http://proxy:3128"),
        ('"http://proxy:3128"', '"http://proxy:3128"'),
    ],
)
def test_a_variable_that_names_no_proxy_is_named_without_its_password(
    kind: str, name: str, url: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(ConfigurationError, match=f"^{name} is '{shown}', which is not the URL of a proxy") as caught:
        goes_direct(kind, "https://gw.example")
    assert "hush" not in str(caught.value)


def test_the_variable_that_counts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("https_proxy", "ftp://proxy")
    with pytest.raises(ConfigurationError, match=r"^https_proxy is 'ftp://proxy'"):
        check_environment()


def test_proxies_that_no_proxy_turns_off_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "::1/129,*")
    monkeypatch.setenv("HTTPS_PROXY", "ftp://proxy")
    assert goes_direct("sync", "https://gw.example")


@pytest.mark.parametrize("url", ["proxy", "proxy:3128", "http://me:p%40ss@proxy:3128", "https://[::1]:1", "HTTP://p"])
def test_a_proxy_of_the_environment_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    assert not goes_direct("sync", "https://gw.example")


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_without_its_package_is_named(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_batches_provider.batches.client.proxies.find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:{PASSWORD}@proxy:1080")
    with pytest.raises(ConfigurationError, match=rf"^ALL_PROXY is '{scheme}://\*\*\*@proxy:1080'.*httpx2\[socks\]"):
        check_environment()
    with pytest.raises(ConfigurationError, match=r"^anthropic_client_kwargs: proxy is .*httpx2\[socks\]"):
        ClientSettings(api_key=KEY, client_kwargs={"proxy": f"{scheme}://proxy"})


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://me:hush@proxy:x", "http://me:hush@:1", "http://proxy:99999", "http://a b", "http://?x"],
)
def test_a_proxy_that_could_take_no_call_is_refused_with_the_connection(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^anthropic_client_kwargs: proxy is '.*not the URL of a proxy"
    ) as caught:
        ClientSettings(api_key=KEY, client_kwargs={"proxy": url})
    assert "hush" not in str(caught.value)


def test_a_proxy_of_the_connection_passes() -> None:
    check_proxy("proxy", "http://me:p%40ss@proxy.example:3128")
