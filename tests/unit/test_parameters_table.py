"""Each parameter is described once: in the docstring of its class, from which the tables of the docs are generated."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_batches_provider.decorators import MessageBatchDecoratedOperator
from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchEstimateOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.triggers import MessageBatchTrigger
from tools.parameters_table import SECTIONS, TEMPLATED, descriptions, markdown, parameter_row, parameters

TASKS: list[type[Any]] = [
    MessageBatchOperator,
    MessageBatchSubmitOperator,
    MessageBatchEstimateOperator,
    MessageBatchResultsOperator,
    MessageBatchCancelOperator,
    MessageBatchSensor,
]
DOCUMENTED = [*TASKS, MessageBatchTrigger]

# Parameters with a text of their own in some classes, which share it, and why. Elsewhere equal names have equal texts.
OTHER_TEXTS: dict[str, tuple[set[type[Any]], str]] = {
    "conn_id": (
        {MessageBatchOperator, MessageBatchSubmitOperator, MessageBatchEstimateOperator},
        "they are given no job that has a connection",
    ),
    "deferrable": ({MessageBatchSensor}, "on a worker, it waits as Airflow's sensors do"),
    "job": ({MessageBatchResultsOperator}, "it takes one job, the others also a list"),
    "on_kill": ({MessageBatchSensor}, "it submits nothing, and its batches may be no job's"),
    "timeout": ({MessageBatchSensor}, "it fails otherwise, and Airflow enforces it"),
}


def texts(name: str, classes: set[type[Any]]) -> set[str]:
    return {descriptions(cls)[name] for cls in classes if name in parameters(cls)}


@pytest.mark.parametrize("cls", DOCUMENTED)
def test_a_docstring_describes_exactly_the_parameters_of_its_class(cls: type[Any]) -> None:
    assert parameters(cls)
    assert sorted(descriptions(cls)) == sorted(parameters(cls))


@pytest.mark.parametrize("cls", DOCUMENTED)
def test_every_parameter_is_in_exactly_one_table(cls: type[Any]) -> None:
    listed = [name for section in SECTIONS.values() if cls in section.classes for name in section.names]
    assert sorted(listed) == sorted(parameters(cls))


def test_the_decorator_adds_only_what_airflow_fills_in() -> None:
    added = set(parameters(MessageBatchDecoratedOperator)) - set(parameters(MessageBatchOperator))
    assert added == {"python_callable", "op_args", "op_kwargs"}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_a_link_belongs_to_a_parameter_of_its_table(section: Any) -> None:
    assert set(section.links) <= set(section.names)


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_the_classes_of_a_table_have_the_same_texts_and_defaults(section: Any) -> None:
    for name in section.names:
        assert len({parameter_row(cls, name) for cls in section.classes}) == 1


@pytest.mark.parametrize("name", sorted({name for cls in TASKS for name in parameters(cls)}))
def test_parameters_of_one_name_have_one_text(name: str) -> None:
    others, _ = OTHER_TEXTS.get(name, (set(), ""))
    common, other = texts(name, set(TASKS) - others), texts(name, others)
    assert len(common) == 1
    assert len(other) == bool(others)
    assert not common & other, "no exception is needed"


@pytest.mark.parametrize("cls", TASKS)
def test_exactly_the_texts_of_template_fields_end_with_the_mark(cls: type[Any]) -> None:
    assert {name for name, text in descriptions(cls).items() if TEMPLATED in text} == set(cls.template_fields)
    assert all(text.endswith(f" {TEMPLATED}") for text in descriptions(cls).values() if TEMPLATED in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``x``, and ``a | b``", "`x`, and `a | b`"),
        (":class:`Job` and :func:`~a.b.find_job`", "`Job` and `find_job`"),
        ("see `the params <https://example.com/a>`__ for ``x``", "see [the params](https://example.com/a) for `x`"),
        ('``{"a": …}``', '`{"a": …}`'),
    ],
)
def test_restructured_text_becomes_markdown(text: str, expected: str) -> None:
    assert markdown(text) == expected


class Example:
    """Has parameters of every kind.

    :param needed: text that
        continues here.
    :param size: a number. Default: ``1_000`` (a thousand). (templated)
    :param name: one | of two. Default: the id of :class:`Example`, e.g. ``a.b``. More.
    :param plain: nothing to say. See ``docs/pilot.md``.
    :param wrong: differs. Default: ``2``.
    :param silent: says nothing of its default.
    :returns: nothing.
    """

    __module__ = "anthropic_batches_provider.example"
    template_fields = ("size",)

    def __init__(
        self,
        needed: int,
        size: float = 1000.0,
        name: str | None = None,
        plain: None = None,
        wrong: int = 3,
        silent: str = "a",
        **kwargs: Any,
    ) -> None: ...


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("needed", "| `needed` | required | Text that continues here. See [x](y). |"),
        ("size", "| `size` (templated) | `1_000` (a thousand) | A number. See [x](y). |"),
        ("name", "| `name` | the id of `Example`, e.g. `a.b` | One \\| of two. More. See [x](y). |"),
        ("plain", "| `plain` | `None` | Nothing to say. See [pilot.md](pilot.md). See [x](y). |"),
    ],
)
def test_a_row_joins_signature_and_docstring(name: str, row: str) -> None:
    assert parameter_row(Example, name, "See [x](y).") == row


@pytest.mark.parametrize(("name", "literal"), [("wrong", "``3``"), ("silent", '``"a"``')])
def test_a_docstring_that_contradicts_or_omits_a_default_makes_no_row(name: str, literal: str) -> None:
    with pytest.raises(ValueError, match=f"The docstring of {name} must say: Default: {literal}"):
        parameter_row(Example, name)


def test_a_parameter_without_a_text_makes_no_row() -> None:
    with pytest.raises(KeyError):
        parameter_row(Example, "kwargs")
