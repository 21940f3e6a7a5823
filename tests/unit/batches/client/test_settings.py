from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest

from anthropic_batches_provider.batches.client import ClientSettings, ConnectionFields, decoded_extra, settings_of
from anthropic_batches_provider.batches.client.settings import normalize_base_url
from anthropic_batches_provider.errors import ConfigurationError

KEY = "sk-ant-test-0123456789"
IDENTITY = {"identity_token_file": "/run/token", "federation_rule_id": "rule", "organization_id": "org"}


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com"),
        (" HTTPS://API.Anthropic.com:443/ ", "https://api.anthropic.com"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/a/b/", "http://[::1]:8080/a/b"),
    ],
)
def test_a_base_url_has_one_spelling(given: str, normal: str) -> None:
    assert normalize_base_url(given) == normal


@pytest.mark.parametrize(
    "url",
    [
        "", "api.anthropic.com", "ftp://x", "https://", "https://x:port", "https://x?y=1", "https://x#y", "https://[x",
        f"https://{KEY}@x", f"https://user:{KEY}@x", "https://x/a b",
    ],
)  # fmt: skip
def test_a_bad_base_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(api_key=KEY, base_url=url)
    assert KEY not in str(caught.value)


def test_no_credential_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="holds no credential"):
        ClientSettings()


@pytest.mark.parametrize(
    "two",
    [
        {"api_key": KEY, "workload_identity": IDENTITY},
        {"api_key": KEY, "credentials": "environment"},
        {"workload_identity": IDENTITY, "credentials": "environment"},
    ],
)
def test_two_credentials_are_an_error(two: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="more than one credential"):
        ClientSettings(**two)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY} x", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_is_no_header_value_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(api_key=key)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"api_key": "x"}, {"auth_token": "x"}, {"base_url": "x"}, {"http_client": 1}, {"middleware": []},
        {"follow_redirects": True}, {"max_retries": 11}, {"max_retries": -1}, {"max_retries": True},
        {"max_retries": "2"},
        {"timeout": 0}, {"timeout": "60"}, {"timeout": {"total": 3}}, {"timeout": {"read": -1}}, {"timeout": True},
        {"default_headers": {"Authorization": "x"}}, {"default_headers": {"X-Api-Key": "x"}}, {"default_headers": [1]},
        {"default_headers": {"x": 1}}, {"default_headers": {"x": "a\nb: c"}}, {"default_headers": {"x y": "a"}},
        {"default_headers": {"Content-Length": "3"}}, {"default_query": 3}, {"proxy": "proxy:3128"}, {"verify": 3},
    ],
)  # fmt: skip
def test_client_arguments_that_would_change_credentials_or_creates_are_refused(kwargs: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="anthropic_client_kwargs"):
        ClientSettings(api_key=KEY, client_kwargs=kwargs)


@pytest.mark.parametrize(
    "identity", [{"organization_id": "o"}, {**IDENTITY, "token": "x"}, {**IDENTITY, "workspace_id": 3}]
)
def test_a_workload_identity_is_complete_and_known(identity: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="workload_identity"):
        ClientSettings(workload_identity=identity)


def test_settings_show_no_secret() -> None:
    kwargs = {"default_headers": {"x-gateway-token": "Bearer hush-hush"}, "proxy": "http://me:p%40ss@proxy:3128"}
    settings = ClientSettings(api_key=KEY, client_kwargs=kwargs)
    assert settings.secrets == (KEY, "Bearer hush-hush", "Bearer", "hush-hush", "p%40ss", "p@ss")
    assert not any(secret in repr(settings) for secret in settings.secrets)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(settings)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(settings)
    assert hash(settings) == hash(replace(settings))


def fields(**given: Any) -> ConnectionFields:
    return ConnectionFields(**{"conn_id": "c", "conn_type": "anthropic_batches", "password": KEY, **given})


@pytest.mark.parametrize("conn_type", ["anthropic_batches", "anthropic", None])
def test_both_connection_types_are_read(conn_type: str | None) -> None:
    settings = settings_of(fields(conn_type=conn_type))
    assert (settings.api_key, settings.base_url) == (KEY, "https://api.anthropic.com")


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ({"host": "gateway.example"}, "https://gateway.example"),
        ({"host": "gateway.example", "schema": "http", "port": 8080}, "http://gateway.example:8080"),
        ({"host": "http://127.0.0.1:9000/"}, "http://127.0.0.1:9000"),
        ({"host": "http://127.0.0.1", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "http://127.0.0.1:9000", "port": 9000}, "http://127.0.0.1:9000"),
        ({"host": "https://gateway.example/a", "port": 8443}, "https://gateway.example:8443/a"),
        ({"host": "http://[::1]", "port": 9000}, "http://[::1]:9000"),
        ({"host": "http://gateway.example", "schema": "prefix/x"}, "http://gateway.example/prefix/x"),
        ({"host": "", "schema": "https"}, "https://api.anthropic.com"),
        ({"extra": {"anthropic_client_kwargs": {"base_url": "https://b.example/"}}}, "https://b.example"),
    ],
)
def test_host_schema_and_port_are_honoured(given: dict[str, Any], base_url: str) -> None:
    assert settings_of(fields(**given)).base_url == base_url


def test_extras_may_be_objects_or_the_text_of_a_form() -> None:
    identity = '{"identity_token_file": "/run/t", "federation_rule_id": "r", "organization_id": "o"}'
    extra = {"workspace_id": " wrkspc_1 ", "anthropic_client_kwargs": '{"timeout": 60}', "workload_identity": identity}
    settings = settings_of(fields(password=None, extra=extra))
    assert settings.workspace_id == "wrkspc_1"
    assert settings.client_kwargs == {"timeout": 60}
    assert settings.workload_identity == {
        "identity_token_file": "/run/t",
        "federation_rule_id": "r",
        "organization_id": "o",
    }
    empty = {
        "workspace_id": "",
        "anthropic_client_kwargs": "",
        "workload_identity": None,
        "platform": "",
        "credentials": "",
    }
    assert settings_of(fields(extra=empty)) == ClientSettings(api_key=KEY)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"conn_type": "http"}, "type is http"),
        ({"extra": {"platform": "bedrock"}}, "platform bedrock"),
        ({"extra": {"platform": 3}}, "platform"),
        ({"extra": {"workspace_id": 3}}, "workspace_id"),
        ({"extra": {"workspace_id": "a b"}}, "workspace_id"),
        ({"extra": {"credentials": "magic"}}, "credentials"),
        ({"extra": {"anthropic_client_kwargs": "{timeout: 3}"}}, "anthropic_client_kwargs"),
        ({"extra": {"anthropic_client_kwargs": [1]}}, "anthropic_client_kwargs"),
        ({"extra": {"workload_identity": "3"}}, "workload_identity"),
        ({"extra": {"anthropic_client_kwargs": {"api_key": "another"}}}, "different API keys"),
        ({"extra": {"anthropic_client_kwargs": {"api_key": 3}}}, "API key"),
        ({"host": "https://a", "extra": {"anthropic_client_kwargs": {"base_url": "https://b"}}}, "different base URLs"),
        ({"host": "http://a:1", "port": 2}, "ports"),
        ({"password": None}, "holds no credential"),
    ],
)
def test_what_is_wrong_with_a_connection_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match="Connection c: ") as caught:
        settings_of(fields(**given))
    assert named in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_environments_base_url_counts_only_with_its_credentials() -> None:
    gateway = "https://gateway.example"
    extra = {"credentials": "environment"}
    assert settings_of(fields(password=None, extra=extra), environment_base_url=gateway).base_url == gateway
    assert settings_of(fields(), environment_base_url=gateway).base_url == "https://api.anthropic.com"


@pytest.mark.parametrize("text", ["{", "[1]", "plain", '"text"'])
def test_an_extra_that_is_no_json_object_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="extra"):
        decoded_extra(text)


def test_an_absent_extra_is_empty() -> None:
    assert decoded_extra(None) == decoded_extra(" ") == {}
