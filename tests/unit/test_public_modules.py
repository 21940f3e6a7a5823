"""The names that users may import: public modules list them in ``__all__``, and so do the docs; the rest is private."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

import anthropic_batches_provider
from anthropic_batches_provider import operators

ROOT = Path(__file__).parents[2]
PRIVATE = {"__main__", "batches", "cli", "edge", "provider_info"}
PUBLIC = sorted({each.name for each in pkgutil.iter_modules(anthropic_batches_provider.__path__)} - PRIVATE)
OPERATORS = [each.name for each in pkgutil.iter_modules(operators.__path__) if each.name != "stints"]


def imported_by_a_star(module: str) -> set[str]:
    namespace: dict[str, Any] = {}
    exec(f"from anthropic_batches_provider.{module} import *", namespace)  # noqa: S102 - as a user writes it
    return set(namespace) - {"__builtins__"}


def documented() -> dict[str, set[str]]:
    """Return the names of each module in the table of docs/operators.md."""
    page = (ROOT / "docs/operators.md").read_text().partition("\n## What you may import\n")[2]
    rows = re.findall(r"^\| `anthropic_batches_provider\.(\w+)` \| (.*) \|$", page, re.MULTILINE)
    return {module: set(re.findall(r"`(\w+)`", names)) for module, names in rows}


def test_the_package_and_the_docs_list_exactly_the_modules_that_are_not_private() -> None:
    listed = re.findall(r"``(\w+)``", "\n".join(re.findall(r"^- .*?:", anthropic_batches_provider.__doc__ or "", re.M)))
    assert sorted(listed) == PUBLIC
    assert sorted(documented()) == PUBLIC


@pytest.mark.parametrize("module", PUBLIC)
def test_a_star_imports_exactly_what_the_docs_name(module: str) -> None:
    assert imported_by_a_star(module) == documented()[module]


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    imported = importlib.import_module(f"anthropic_batches_provider.{module}")
    named = {name: getattr(imported, name) for name in imported_by_a_star(module)}
    assert [name for name, found in named.items() if callable(found) and not inspect.getdoc(found)] == []


@pytest.mark.parametrize("module", OPERATORS)
def test_each_module_of_the_operators_holds_one_of_them(module: str) -> None:
    (name,) = imported_by_a_star(f"operators.{module}")
    assert getattr(operators, name).__module__ == f"anthropic_batches_provider.operators.{module}"
