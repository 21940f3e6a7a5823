"""Airflow's own schemas, provider manager, connection form and configuration accept our provider info."""

import importlib
import json
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft7Validator

from anthropic_batches_provider import __version__
from anthropic_batches_provider.edge.connection_form import CONNECTION_FIELDS, UI_FIELD_BEHAVIOUR
from anthropic_batches_provider.provider_info import get_provider_info

DISTRIBUTION = "airflow-provider-anthropic-batches"


def airflow_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("airflow") / name).read_text())
    return schema


def named_modules() -> list[str]:
    info = get_provider_info()
    return [
        module
        for kind in ("hooks", "operators", "sensors", "triggers")
        for group in info[kind]
        for module in group["python-modules"]
    ]


def test_the_entry_point_loads_the_same_provider_info() -> None:
    (entry_point,) = (
        each
        for each in entry_points(group="apache_airflow_provider")
        if each.dist is not None and each.dist.name == DISTRIBUTION
    )
    assert entry_point.name == "provider_info"
    assert entry_point.load()() == get_provider_info()


def test_provider_info_is_valid_by_the_schema_that_airflow_applies_when_it_runs() -> None:
    Draft7Validator(airflow_schema("provider_info.schema.json")).validate(get_provider_info())


def test_the_connection_type_is_valid_by_the_full_schema_of_airflow_3_2_and_later() -> None:
    of_connection_types = airflow_schema("provider.yaml.schema.json")["properties"]["connection-types"]
    if "conn-fields" not in of_connection_types["items"]["properties"]:
        pytest.skip("this Airflow reads form fields from the hook's methods only")
    Draft7Validator(of_connection_types).validate(get_provider_info()["connection-types"])


def test_the_package_name_is_that_of_the_distribution_or_airflow_would_load_no_provider_at_all() -> None:
    assert get_provider_info()["package-name"] == DISTRIBUTION
    assert get_provider_info()["versions"] == [__version__]


def test_the_connection_type_of_the_official_provider_is_never_registered() -> None:
    assert [each["connection-type"] for each in get_provider_info()["connection-types"]] == ["anthropic_batches"]


@pytest.mark.parametrize("module", named_modules())
def test_every_named_module_imports(module: str) -> None:
    importlib.import_module(module)


def test_every_extra_link_is_a_class() -> None:
    for path in get_provider_info().get("extra-links", []):
        module, _, name = path.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), type)


def test_every_integration_named_by_a_module_is_declared() -> None:
    info = get_provider_info()
    declared = {each["integration-name"] for each in info["integrations"]}
    assert {
        group["integration-name"] for kind in ("hooks", "operators", "sensors", "triggers") for group in info[kind]
    } == declared


def test_airflow_discovers_the_provider() -> None:
    from airflow.providers_manager import ProvidersManager

    assert ProvidersManager().providers[DISTRIBUTION].version == __version__


def test_the_connection_form_has_our_fields_names_and_nothing_of_no_use() -> None:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (meta,) = (each for each in HookMetaService.hook_meta_data() if each.connection_type == "anthropic_batches")

    assert meta.hook_class_name == "anthropic_batches_provider.hooks.MessageBatchHook"
    assert meta.hook_name == "Anthropic Message Batches"
    assert meta.extra_fields is not None
    assert set(meta.extra_fields) == set(CONNECTION_FIELDS)
    standard = meta.standard_fields
    assert standard is not None
    assert standard.password is not None
    assert standard.host is not None
    assert (standard.password.title, standard.host.title) == ("API key", "Base URL")
    assert standard.host.placeholder == "https://api.anthropic.com"
    hidden = {name for name in ("port", "login", "url_schema") if (field := getattr(standard, name)) and field.hidden}
    assert hidden == {"port", "login", "url_schema"}


def test_the_hook_offers_the_same_form_to_airflow_below_3_2() -> None:
    from anthropic_batches_provider.hooks import MessageBatchHook

    assert MessageBatchHook.get_ui_field_behaviour() == UI_FIELD_BEHAVIOUR
    pytest.importorskip("wtforms", reason="Airflow's form fields for the hook's methods")
    assert set(MessageBatchHook.get_connection_form_widgets()) == set(CONNECTION_FIELDS)


def test_airflow_finds_the_task_decorator_under_its_name() -> None:
    from airflow.sdk import task

    from anthropic_batches_provider.decorators import message_batch_task

    (declared,) = get_provider_info()["task-decorators"]
    assert declared["name"] == "message_batch"
    assert task.message_batch is message_batch_task


def test_the_storage_option_is_known_to_airflow_and_unset_until_somebody_sets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.configuration import conf
    from airflow.providers_manager import ProvidersManager

    assert dict(ProvidersManager().provider_configs)[DISTRIBUTION] == get_provider_info()["config"]
    monkeypatch.delenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", raising=False)
    assert not conf.get("anthropic_batches", "storage", fallback=None)
    monkeypatch.setenv("AIRFLOW__ANTHROPIC_BATCHES__STORAGE", "file:///tmp/jobs")
    assert conf.get("anthropic_batches", "storage") == "file:///tmp/jobs"


def test_the_spool_option_is_known_to_airflow_and_unset_until_somebody_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.configuration import conf

    monkeypatch.delenv("AIRFLOW__ANTHROPIC_BATCHES__SPOOL", raising=False)
    assert "spool" in get_provider_info()["config"]["anthropic_batches"]["options"]
    assert not conf.get("anthropic_batches", "spool", fallback=None)
