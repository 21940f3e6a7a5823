"""The tables of parameters in ``docs/operators.md``: names and defaults of the signatures, texts of the docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.operators import (
    MessageBatchCancelOperator,
    MessageBatchEstimateOperator,
    MessageBatchOperator,
    MessageBatchResultsOperator,
    MessageBatchSubmitOperator,
)
from anthropic_batches_provider.sensors import MessageBatchSensor
from anthropic_batches_provider.triggers import MessageBatchTrigger

PACKAGE = "anthropic_batches_provider"
TEMPLATED = "(templated)"  # ends the text of a template field

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_FIELD = re.compile(r"^\s*:param (\w+): (.*?)(?=^\s*:(?:param|returns|raises)\b|\Z)", re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"(?:^| )Default: (.+?)\.(?= [A-Z]|$)")
_ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
_PAGE = re.compile(r"`docs/(\w+\.md)`")
_LINK = re.compile(r"`([^`<]+) <([^>`]+)>`__?")


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table.

    :param classes: take these parameters; the first one's docstring gives the texts.
    :param names: the parameters, in the order of the table.
    :param links: Markdown that ends the meaning of a parameter.
    """

    classes: tuple[type[Any], ...]
    names: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)


_SENDING = (MessageBatchSubmitOperator, MessageBatchOperator, MessageBatchEstimateOperator)
_KILLING = "See [killing](#killing)."

SECTIONS: Mapping[str, Section] = {
    "one-task-parameters": Section(
        classes=(MessageBatchOperator,),
        names=(
            "destination",
            "output_format",
            "columns",
            "include_message",
            "dead_letters",
            "keep_requests",
            "xcom_max_bytes",
            "prices",
            "timeout",
            "on_timeout",
        ),
    ),
    "question-parameters": Section(
        classes=_SENDING,
        names=(
            "rows",
            "prompt",
            "images",
            "documents",
            "system",
            "shared_context",
            "model",
            "max_tokens",
            "message_params",
            "betas",
            "request_builder",
            "output_schema",
            "requests",
        ),
        links={"rows": "See [where rows come from](#where-rows-come-from)."},
    ),
    "column-parameters": Section(classes=_SENDING, names=("key", "keep", "column_prefix")),
    "behavior-parameters": Section(
        classes=_SENDING,
        names=(
            "on_empty",
            "on_changed_input",
            "max_rounds",
            "repair",
            "max_failed_rows",
            "on_kill",
            "unit",
            "edition",
            "storage",
            "max_requests_per_shard",
            "max_bytes_per_shard",
            "max_requests_in_flight",
            "poll_interval",
            "deferrable",
            "pilot",
            "prompt_cache",
            "show_prompt",
            "conn_id",
        ),
        links={
            "max_rounds": "See [rows that failed](#rows-that-failed).",
            "max_failed_rows": "See [rows that failed](#rows-that-failed).",
            "on_kill": _KILLING,
            "deferrable": "See [waiting.md](waiting.md#on-the-worker).",
            "unit": "See [the unit of work](#the-unit-of-work-jobs-and-editions).",
            "storage": "See [storage.md](storage.md).",
            "max_requests_in_flight": "See [tiers](size.md#the-window).",
            "show_prompt": "See [progress](size.md#progress).",
            "conn_id": "See [connection.md](connection.md).",
        },
    ),
    "sensor-parameters": Section(
        classes=(MessageBatchSensor,),
        names=(
            "job",
            "batch_ids",
            "conn_id",
            "poke_interval",
            "timeout",
            "on_timeout",
            "on_kill",
            "deferrable",
            "start_in_triggerer",
        ),
        links={
            "on_kill": _KILLING,
            "start_in_triggerer": "See [a wait that takes no worker slot](#a-wait-that-takes-no-worker-slot).",
        },
    ),
    "trigger-parameters": Section(
        classes=(MessageBatchTrigger,),
        names=("batch_ids", "conn_id", "poll_interval", "deadline", "wait_for", "cancel_on_kill"),
        links={"cancel_on_kill": _KILLING},
    ),
    "results-parameters": Section(
        classes=(MessageBatchResultsOperator,),
        names=(
            "job",
            "batch_ids",
            "destination",
            "output_format",
            "max_failed_rows",
            "columns",
            "include_message",
            "dead_letters",
            "keep_requests",
            "xcom_max_bytes",
            "prices",
            "conn_id",
        ),
    ),
    "estimate-parameters": Section(
        classes=(MessageBatchEstimateOperator,),
        names=("earlier_job", "output_share", "dates", "sample_rows", "prices"),
        links={
            "earlier_job": "See [how long the answers are](estimates.md#how-long-the-answers-are).",
            "dates": "See [a backfill](estimates.md#a-backfill).",
        },
    ),
    "cancel-parameters": Section(classes=(MessageBatchCancelOperator,), names=("job", "batch_ids", "conn_id")),
}


def parameters_table(name: str) -> list[str]:
    """Return the lines of one table.

    :param name: its section.
    :raises KeyError: the section names a parameter that the signature or the docstring lacks.
    :raises ValueError: a docstring's default is not the signature's.
    """
    section = SECTIONS[name]
    rows = (parameter_row(section.classes[0], each, section.links.get(each, "")) for each in section.names)
    return ["| parameter | default | meaning |", "|---|---|---|", *rows]


def parameter_row(cls: type[Any], name: str, link: str = "") -> str:
    """Return the line of one parameter.

    :param link: Markdown that ends the meaning.
    """
    text = descriptions(cls)[name].removesuffix(TEMPLATED).strip()
    described = f"`{name}` {TEMPLATED}" if name in getattr(cls, "template_fields", ()) else f"`{name}`"
    meaning = _PAGE.sub(r"[\1](\1)", markdown(f"{_DEFAULT.sub('', text)} {link}".strip()))
    default = markdown(_default(name, parameters(cls)[name].default, text))
    cells = (cell.replace("|", "\\|") for cell in (described, default, meaning[:1].upper() + meaning[1:]))
    return f"| {' | '.join(cells)} |"


def parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters that a class and its base classes name, up to Airflow's."""
    ours = [each for each in cls.__mro__ if each.__module__.startswith(f"{PACKAGE}.") and "__init__" in vars(each)]
    signatures = [inspect.signature(inspect.unwrap(each.__init__)) for each in reversed(ours)]  # type: ignore[misc]
    found = [parameter for signature in signatures for parameter in signature.parameters.values()]
    return {each.name: each for each in found if each.kind in _NAMED and each.name != "self"}


def descriptions(cls: type[Any]) -> dict[str, str]:
    """Return the text of each ``:param`` in the docstring of a class, on one line."""
    return {name: " ".join(text.split()) for name, text in _FIELD.findall(cls.__doc__ or "")}


def markdown(text: str) -> str:
    """Return reStructuredText as Markdown: roles, links and literals."""
    return _LINK.sub(r"[\1](\2)", _ROLE.sub(r"``\1``", text)).replace("``", "`")


def _default(name: str, default: Any, text: str) -> str:
    """Return the default in reStructuredText, with what the docstring says of it.

    :raises ValueError: the docstring says nothing of a default that is not None, or something else.
    """
    said = _DEFAULT.search(text)
    if default is inspect.Parameter.empty:
        return "required"
    if default is None:
        return said[1] if said else "``None``"
    if said is None or said[1].partition(" ")[0] != f"``{_literal(default)}``":
        raise ValueError(f"The docstring of {name} must say: Default: ``{_literal(default)}``.")
    return said[1]


def _literal(default: Any) -> str:
    if isinstance(default, str):
        return f'"{default}"'
    if isinstance(default, int | float) and not isinstance(default, bool):
        return f"{default:_g}" if default % 1 else f"{int(default):_}"
    return repr(default)
