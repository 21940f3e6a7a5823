"""Compares the docs with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from anthropic_batches_provider import errors
from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.operators.stints.rows_operator import RowsOperator
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tools import generate_docs
from tools.parameters_table import parameters

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TASKS: list[type[Any]] = [
    MessageBatchOperator,
    MessageBatchSubmitOperator,
    MessageBatchSensor,
    MessageBatchResultsOperator,
    MessageBatchCancelOperator,
]
HEADINGS = {RowsOperator: "Rows, question and job"}  # of classes whose names DAG authors do not see

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(value: object) -> str:
    return value.name if isinstance(value, Path) else getattr(value, "__name__", str(value))


def ours(cls: type[Any]) -> list[type[Any]]:
    """Return the class and its base classes, up to Airflow's."""
    return [each for each in cls.__mro__ if each.__module__.startswith("anthropic_batches_provider.")]


def section(cls: type[Any]) -> str:
    """Return the sections of docs/operators.md on a class and its base classes, up to the next heading of the level."""
    page = (ROOT / "docs/operators.md").read_text()
    headings = [HEADINGS.get(each, each.__name__) for each in ours(cls)]
    return "".join(page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] for heading in headings)


def documented(cls: type[Any]) -> dict[str, bool]:
    """Return the parameters in the first column of a class's tables, and whether each is marked as templated there."""
    cells = re.findall(r"^\| (`[^|]+) \|", section(cls), re.MULTILINE)
    return {cell.split("`")[1]: "(templated)" in cell for cell in cells}


@pytest.mark.parametrize("cls", [*TASKS, MessageBatchTrigger], ids=name_of)
def test_the_page_holds_exactly_the_parameters_of_a_class_in_its_section(cls: type[Any]) -> None:
    values_of_rows = {each for each in documented(cls) if not each.isidentifier()}  # examples such as "s3://…"
    assert set(documented(cls)) - values_of_rows == set(parameters(cls))


@pytest.mark.parametrize("cls", TASKS, ids=name_of)
def test_the_page_marks_exactly_the_template_fields_as_templated(cls: type[Any]) -> None:
    assert {name for name, templated in documented(cls).items() if templated} == set(cls.template_fields)


@pytest.mark.parametrize("cls", TASKS, ids=name_of)
def test_the_readme_names_every_operator(cls: type[Any]) -> None:
    assert f"\n| `{cls.__name__}` | " in README.read_text()


def test_every_error_is_described() -> None:
    page = (ROOT / "docs/errors.md").read_text()
    names = [name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, Exception)]
    assert [name for name in names if name not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = _FENCE.sub("", page.read_text())
    links = [link for link in _LINK.findall(text) if "://" not in link]
    assert [link for link in links if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return False
    return not anchor or anchor in map(slug, _HEADING.findall(target.read_text()))


def slug(heading: str) -> str:
    """Return GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_compile(page: Path) -> None:
    for language, code in _FENCE.findall(page.read_text()):
        if language == "python":
            compile(code, str(page), "exec")


@pytest.mark.parametrize("page", generate_docs.PAGES, ids=name_of)
def test_generated_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text()
    assert text == generate_docs.regenerated(text), "run make docs"


def test_every_generated_table_has_its_place() -> None:
    used = [generate_docs.used_tables(page.read_text()) for page in generate_docs.PAGES]
    assert set().union(*used) == set(generate_docs.TABLES)
