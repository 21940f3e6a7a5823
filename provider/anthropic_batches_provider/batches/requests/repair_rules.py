"""The pure rules of ``repair=``: which answers may be asked for again, and what a repair may change.

The edge applies them when a DAG is parsed, and a run to what its templates have become. So nothing heavy is imported
here.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from anthropic_batches_provider.batches.requests.question_rules import check_system, params_problem
from anthropic_batches_provider.batches.requests.wording import listed
from anthropic_batches_provider.batches.verdicts import INVALID_OUTPUT, REFUSAL, TRUNCATED, UNFINISHED
from anthropic_batches_provider.errors import ConfigurationError

REPAIRABLE = (TRUNCATED, INVALID_OUTPUT, REFUSAL, UNFINISHED)
"""The verdicts for which a repair may be asked."""

_NEEDS_A_CHANGE = {
    TRUNCATED: "the same request would be cut at the same place. Give {'max_tokens': …}, more than before",
    REFUSAL: "the same request would be refused again. Give {'model': …}, another one",
}


def check_repair(repair: object, *, max_rounds: int, known: Mapping[str, Any]) -> None:
    """Check which answers are to be repaired, and how.

    :param repair: verdicts, each with the Messages params that it changes; values that are not known yet are left out.
    :param max_rounds: how often a row may be sent in total.
    :param known: the params that every row has, as far as they are known; a builder may override them, so then none.
    :raises ConfigurationError: names the verdict and what it should be.
    """
    if not isinstance(repair, Mapping) or not all(isinstance(kind, str) for kind in repair):
        raise ConfigurationError(
            f"`repair` is {repair!r:.80}; it must be a dict of verdicts, each with the params that it changes, such as "
            "{'truncated': {'max_tokens': 4096}}."
        )
    for kind, changes in repair.items():
        _check_kind(kind)
        _check_changes(kind, changes)
        _check_helps(kind, changes, known)
    if repair and max_rounds < 2:  # the first, and one that repairs it
        raise ConfigurationError(
            f"`repair` needs a round after the first, but max_rounds is {max_rounds}. Set max_rounds=2 or more."
        )


def _check_kind(kind: str) -> None:
    if kind in REPAIRABLE:
        return
    near = difflib.get_close_matches(kind, REPAIRABLE, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigurationError(
        f"`repair` names {kind!r}, but only these verdicts can be repaired: {', '.join(REPAIRABLE)}.{hint} Rows that "
        "errored or expired are sent again without it."
    )


def _check_changes(kind: str, changes: object) -> None:
    if not isinstance(changes, Mapping) or not all(isinstance(name, str) for name in changes):
        raise ConfigurationError(
            f"`repair[{kind!r}]` is {changes!r:.80}; it must be a dict of the Messages params that it changes, such as "
            "{'max_tokens': 4096}; {} changes none."
        )
    if "messages" in changes:
        raise ConfigurationError(
            f"`repair[{kind!r}]` holds `messages`, but each row keeps its own. Name only other Messages params."
        )
    problem = params_problem(changes)
    if problem is not None:
        raise ConfigurationError(f"In `repair[{kind!r}]`, {problem}")
    output_config = changes.get("output_config", {})
    if not isinstance(output_config, Mapping):
        raise ConfigurationError(f"In `repair[{kind!r}]`, `output_config` is {output_config!r:.40}; it must be a dict.")
    if "format" in output_config:
        raise ConfigurationError(
            f"`repair[{kind!r}]` holds `output_config.format`, but every row of a job asks for the same form. Leave it "
            "out; other keys of `output_config` may change."
        )
    check_system(changes.get("system"), changes.get("system"))
    if not changes and kind in _NEEDS_A_CHANGE:
        raise ConfigurationError(f"`repair[{kind!r}]` changes nothing: {_NEEDS_A_CHANGE[kind]}.")


def _check_helps(kind: str, changes: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Check that something changes for a row that has the known params."""
    if kind not in _NEEDS_A_CHANGE:
        return
    if kind == TRUNCATED and set(changes) == {"max_tokens"} and isinstance(known.get("max_tokens"), int):
        if changes["max_tokens"] <= known["max_tokens"]:
            raise ConfigurationError(
                f"`repair[{kind!r}]` has max_tokens={changes['max_tokens']}, but each row has {known['max_tokens']} "
                "already: it would be cut no later. Give more."
            )
    elif all(name in known and known[name] == value for name, value in changes.items()):
        raise ConfigurationError(
            f"`repair[{kind!r}]` changes nothing, because each row has {listed(changes)} as it says: "
            f"{_NEEDS_A_CHANGE[kind]}."
        )
