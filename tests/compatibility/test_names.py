"""Every name of this package that Airflow's database, its configuration and users' DAGs use still exists."""

from __future__ import annotations

import inspect
import json
import tomllib
from importlib import import_module
from typing import Any

import pytest

from tests.compatibility.stored import cases, class_at, folder_of, names
from tests.dags.conftest import ROOT

NAMES = names()


def deferrals() -> dict[str, dict[str, Any]]:
    """Return what Airflow kept of each deferral of the stored cases, by its location."""
    return {
        f"{file.parent.parent.name} {file.stem}": kept["deferred"]
        for case in cases()
        for file in sorted(folder_of(case).glob("deferred/*.json"))
        for kept in json.loads(file.read_text()).values()
        if isinstance(kept, dict) and kept.get("deferred")
    }


DEFERRALS = deferrals()


def test_there_are_deferrals_of_each_operator_and_sensor_that_defers() -> None:
    methods = {method for operator in NAMES["operators"].values() for method in operator["deferred_to"]}
    assert {deferred["method_name"] for deferred in DEFERRALS.values()} == methods
    assert len(DEFERRALS) == 12


@pytest.mark.parametrize("stored", [*NAMES["triggers"], *DEFERRALS.values()])
def test_a_stored_trigger_is_made_of_its_arguments_and_tells_the_same_ones_again(stored: dict[str, Any]) -> None:
    trigger = class_at(stored["class_path"])(**stored["trigger_kwargs"])
    assert trigger.serialize() == (stored["class_path"], stored["trigger_kwargs"])


@pytest.mark.parametrize("path", NAMES["operators"])
def test_a_stored_method_takes_what_airflow_resumes_it_with(path: str) -> None:
    for name in NAMES["operators"][path]["deferred_to"]:
        signature = inspect.signature(getattr(class_at(path), name))
        for deferred in DEFERRALS.values():
            if deferred["method_name"] == name:
                signature.bind("self", {}, **{**deferred["method_kwargs"], "event": {}})


@pytest.mark.parametrize("path", NAMES["users_import"])
def test_what_users_import_is_a_class_where_it_was(path: str) -> None:
    assert isinstance(class_at(path), type)


@pytest.mark.parametrize("path", NAMES["operators"])
def test_the_links_of_an_operator_are_found_by_what_past_runs_have_stored(path: str) -> None:
    links = {type(link): link for link in class_at(path).operator_extra_links}
    for stored in NAMES["operators"][path]["extra_links"]:
        link = links[class_at(stored["class_path"])]
        assert (link.name, link.xcom_key) == (stored["name"], stored["xcom_key"])


def test_provider_info_names_what_it_named() -> None:
    stored, info = NAMES["provider_info"], provider_info()
    connections = {each["connection-type"]: each for each in info["connection-types"]}
    assert {kind: each["hook-class-name"] for kind, each in connections.items()} == stored["hook_classes"]
    for kind, fields in stored["connection_fields"].items():
        assert set(fields) <= set(connections[kind]["conn-fields"])
    assert {each["name"]: each["class-name"] for each in info["task-decorators"]} == stored["task_decorators"]
    assert set(stored["extra_links"]) <= set(info["extra-links"])
    for kind, modules in stored["modules"].items():
        assert set(modules) <= {name for group in info[kind] for name in group["python-modules"]}
    for section, options in stored["options"].items():
        assert set(options) <= set(info["config"][section]["options"])


def test_everything_that_provider_info_named_still_imports() -> None:
    stored = NAMES["provider_info"]
    for path in (*stored["hook_classes"].values(), *stored["extra_links"], *stored["task_decorators"].values()):
        assert callable(class_at(path))
    for modules in stored["modules"].values():
        assert [import_module(name) for name in modules]


def test_the_entry_points_are_where_they_were() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == NAMES["entry_points"]
    for group in NAMES["entry_points"].values():
        for value in group.values():
            module, _, name = value.partition(":")
            assert not name or callable(getattr(import_module(module), name))


def provider_info() -> dict[str, Any]:
    found: dict[str, Any] = class_at(
        NAMES["entry_points"]["apache_airflow_provider"]["provider_info"].replace(":", ".")
    )()
    return found
