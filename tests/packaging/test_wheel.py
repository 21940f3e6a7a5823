"""The wheel: its files, its entry points, and the dependencies that it declares."""

import ast
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from functools import cache
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from typing import Any

import pytest

import anthropic_batches_provider
from tests.packaging.conftest import ROOT, Built

PACKAGE = ROOT / "provider" / "anthropic_batches_provider"
EXAMPLES = PACKAGE.with_name("airflow_provider_anthropic_batches")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DISTRIBUTION = "airflow-provider-anthropic-batches"

# Loaded only in the process of a tool that has them: pytest for our fixtures, Airflow below 3.2 for its forms.
# fsspec comes with the clients of object stores, and sqlparse with Airflow's provider of SQL hooks.
BROUGHT_BY_THE_CALLER = {"pytest", "wtforms", "fsspec", "pydantic", "sqlparse"}
EXTRAS_OF_FORMATS = ("parquet", "xlsx", "zstd")  # of files of rows; imported only where such a file is read


@pytest.fixture
def wheel(built: Built) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(built.wheel) as archive:
        yield archive


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    source = {
        path.relative_to(PACKAGE.parent).as_posix()
        for folder in (PACKAGE, EXAMPLES, EXAMPLES / "example_dags")  # rglob follows no link
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"airflow_provider_anthropic_batches-{anthropic_batches_provider.__version__}.dist-info"
    described = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}

    assert set(wheel.namelist()) == source | described
    assert "anthropic_batches_provider/py.typed" in source


def test_the_installed_distribution_is_the_one_under_test() -> None:
    assert version(DISTRIBUTION) == anthropic_batches_provider.__version__
    assert Path(anthropic_batches_provider.__file__).parent == PACKAGE


def test_pytest_finds_the_plugin_with_the_simulator_fixture() -> None:
    ours = [each for each in entry_points(group="pytest11") if each.dist is not None and each.dist.name == DISTRIBUTION]
    assert [each.value for each in ours] == ["anthropic_batches_provider.simulator.pytest_plugin"]
    assert ours[0].load()


def test_the_wheel_declares_where_airflow_and_pytest_look(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/entry_points.txt"))
    parser = ConfigParser()
    parser.read_string(wheel.read(name).decode())
    declared = {group: dict(parser[group]) for group in parser.sections()}
    assert declared["apache_airflow_provider"] == {
        "provider_info": "anthropic_batches_provider.provider_info:get_provider_info"
    }
    assert declared["console_scripts"] == {"anthropic-batches": "anthropic_batches_provider.cli:main"}
    assert list(declared["pytest11"].values()) == ["anthropic_batches_provider.simulator.pytest_plugin"]


def test_the_package_itself_imports_nothing() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_every_import_is_of_a_declared_dependency() -> None:
    undeclared = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imported_distributions(path)
        - declared(in_simulator="simulator" in path.parts)
        - BROUGHT_BY_THE_CALLER
    }
    assert not undeclared


def test_every_declared_dependency_is_imported() -> None:
    imported = {name for path in PACKAGE.rglob("*.py") for name in imported_distributions(path)}
    assert declared(in_simulator=True) <= imported


def declared(*, in_simulator: bool) -> set[str]:
    extras = ("simulator",) if in_simulator else ("validation", "money", "openlineage", *EXTRAS_OF_FORMATS)
    optional = PROJECT["optional-dependencies"]
    requirements = PROJECT["dependencies"] + [each for extra in extras for each in optional[extra]]
    return {normalized(re.split(r"[^\w.-]", each, maxsplit=1)[0]) for each in requirements}


def imported_distributions(path: Path) -> set[str]:
    return {
        name
        for module in imported_modules(ast.parse(path.read_text()))
        if module.partition(".")[0] not in sys.stdlib_module_names | {"anthropic_batches_provider"}
        for name in distributions_of(module)
    }


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def distributions_of(module: str) -> list[str]:
    """Return the distributions of a module; several share the name ``airflow``, so each provider must be declared."""
    top, _, rest = module.partition(".")
    if top == "airflow":
        provider = re.match(r"providers\.(common\.\w+|\w+)", rest)
        return [f"apache-airflow-providers-{provider[1].replace('.', '-')}" if provider else "apache-airflow"]
    return [normalized(name) for name in distributions_by_package().get(top, [top])]


@cache
def distributions_by_package() -> Mapping[str, list[str]]:
    """Return the distributions of each top-level package, cached: reading all installed ones takes a second."""
    return packages_distributions()


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
