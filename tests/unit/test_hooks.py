from __future__ import annotations

import asyncio
import json
import pickle
import subprocess
import sys
import types
from typing import Any

import pytest

from anthropic_batches_provider.edge.connection_form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR
from anthropic_batches_provider.errors import ConfigurationError
from anthropic_batches_provider.hooks import MessageBatchHook

KEY = "sk-ant-test-0123456789"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_connection(**fields: Any) -> MessageBatchHook:
        fields = {"conn_type": "anthropic_batches", "password": KEY, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_ANTHROPIC_DEFAULT", json.dumps(fields))
        return MessageBatchHook()

    return set_connection


def both(hook: MessageBatchHook) -> list[Any]:
    return [hook.settings(), asyncio.run(hook.asettings())]


@pytest.mark.parametrize("conn_type", ["anthropic_batches", "anthropic"])
def test_both_connection_types_give_settings(connect: Any, conn_type: str) -> None:
    hook = connect(conn_type=conn_type, host="http://127.0.0.1:9", extra={"workspace_id": "wrkspc_1"})
    for settings in both(hook):
        assert (settings.api_key, settings.base_url, settings.workspace_id) == (KEY, "http://127.0.0.1:9", "wrkspc_1")


def test_a_connection_may_be_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MINE", f"anthropic-batches://http://:{KEY}@127.0.0.1:9000/prefix?workspace_id=wrkspc_1"
    )
    for settings in both(MessageBatchHook("mine")):
        assert (settings.api_key, settings.base_url) == (KEY, "http://127.0.0.1:9000/prefix")
        assert settings.workspace_id == "wrkspc_1"


def test_a_missing_connection_says_how_to_make_one() -> None:
    for read in (MessageBatchHook("absent").settings, lambda: asyncio.run(MessageBatchHook("absent").asettings())):
        with pytest.raises(ConfigurationError, match="There is no connection absent"):
            read()


@pytest.mark.parametrize("extra", ["{not json", "[1]", '{"anthropic_client_kwargs": "{"}', '{"platform": "vertex"}'])
def test_a_malformed_extra_is_an_error_that_names_the_connection(connect: Any, extra: str) -> None:
    hook = connect(extra=extra)
    for read in (hook.settings, lambda: asyncio.run(hook.asettings())):
        with pytest.raises(ConfigurationError, match="onnection anthropic_default"):
            read()


def test_no_key_is_an_error_whatever_the_environment_holds(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-leaked")
    with pytest.raises(ConfigurationError, match="holds no credential"):
        connect(password=None).settings()


def test_secrets_outside_of_the_password_are_masked(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from anthropic_batches_provider.edge import connections

    masked: list[str] = []
    monkeypatch.setattr(connections, "_mask", masked.append)
    both(connect(extra={"anthropic_client_kwargs": {"default_headers": {"x-gateway-token": "hush-hush"}}}))
    both(connect(password=None, extra={"anthropic_client_kwargs": {"api_key": "sk-in-extra"}}))
    both(connect(password=f"{KEY}\n"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-environment")
    both(connect(password=None, extra={"credentials": "environment"}))
    assert masked == ["hush-hush"] * 2 + ["sk-in-extra"] * 2 + [KEY] * 2 + ["sk-environment"] * 2


def test_the_environments_host_goes_with_its_credentials(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example")
    hook = connect(password=None, extra={"credentials": "environment"})
    assert [settings.base_url for settings in both(hook)] == ["https://gateway.example"] * 2


def test_a_hook_is_pickled_without_its_client(connect: Any) -> None:
    hook = connect(host="http://127.0.0.1:9")
    with hook.get_conn():
        data = pickle.dumps(hook)
    assert KEY.encode() not in data
    assert pickle.loads(data).conn_id == "anthropic_default"  # noqa: S301


@pytest.mark.heavy
def test_importing_the_hook_does_not_import_the_sdk() -> None:
    code = (
        "import sys, anthropic_batches_provider.hooks; "
        "sys.exit(', '.join({'anthropic', 'httpx2', 'pyarrow'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "provider", "HOME": "/nonexistent"})


def test_the_form_shows_the_fields_of_provider_info(monkeypatch: pytest.MonkeyPatch) -> None:
    class StringField:
        def __init__(self, label: str, **options: Any) -> None:
            self.label, self.options = label, options

    modules = {
        name: types.ModuleType(name) for name in ("flask_appbuilder.fieldwidgets", "wtforms", "wtforms.validators")
    }
    widgets, wtforms, validators = modules.values()
    widgets.__dict__.update(BS3TextFieldWidget=lambda: "line", BS3TextAreaFieldWidget=lambda: "area")
    wtforms.__dict__.update(StringField=StringField)
    validators.__dict__.update(Optional=lambda: "optional", any_of=lambda values: values)
    for name, module in {"flask_appbuilder": types.ModuleType("flask_appbuilder"), **modules}.items():
        monkeypatch.setitem(sys.modules, name, module)
    form = MessageBatchHook.get_connection_form_widgets()
    assert list(form) == list(CONNECTION_FIELDS)
    assert form["workload_identity"].options["widget"] == "area"
    assert form["platform"].options["validators"] == ["optional", ["anthropic"]]
    assert form["workspace_id"].label == "Workspace ID"
    assert MessageBatchHook.get_ui_field_behaviour() == UI_FIELD_BEHAVIOUR


def test_without_form_libraries_the_form_has_no_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wtforms", None)
    assert MessageBatchHook.get_connection_form_widgets() == {}
