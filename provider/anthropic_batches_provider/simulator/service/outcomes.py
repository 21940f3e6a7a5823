"""The outcomes of rows: rules that choose rows and say how each of them ends.

The first rule that matches decides. Without a matching rule a row succeeds, unless its params are invalid.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Literal, get_args

import msgspec

from anthropic_batches_provider.simulator.service.identifiers import lottery
from anthropic_batches_provider.simulator.service.prompt_contents import Params, prompt_text

Result = Literal[
    "succeeded",
    "errored",
    "canceled",
    "expired",
    "refusal",
    "max_tokens",
    "context_window",
    "thinking",
    "pause_turn",
    "invalid_output",
    "fenced",
    "preface",
    "missing",
    "unreadable",
]
RESULTS: tuple[str, ...] = get_args(Result)
MOST_SPREAD = 5

ROW_ERROR_MESSAGES = {
    "invalid_request_error": "messages: Input is invalid",
    "not_found_error": "model: unknown",
    "authentication_error": "API key is invalid.",
    "permission_error": "Your API key does not have permission to use the specified resource.",
    "billing_error": "Your credit balance is too low to access the Anthropic API.",
    "rate_limit_error": "This request would exceed your account's rate limit. Please try again later.",
    "request_too_large": "Request exceeds the maximum size",
    "timeout_error": "The request timed out.",
    "api_error": "Internal server error",
    "overloaded_error": "Overloaded",
}


class OutcomeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A choice of rows, and how they end. A row must meet every given condition; without conditions, all rows match.

    :param result: how the row ends. ``refusal``, ``max_tokens``, ``context_window``, ``thinking`` and ``pause_turn``
        are succeeded rows. So are ``invalid_output`` (JSON that the request's schema refuses), ``fenced`` (its JSON in
        a Markdown fence) and ``preface`` (its JSON behind a sentence and a blank line); a row without a schema is
        answered as usual. ``missing`` is counted as succeeded but has no line in the results; so is ``unreadable``,
        whose line no decoder with a limit on nesting can read.
    :param custom_id: a regular expression that is searched for in the custom_id.
    :param contains: a piece of the request's text (tools, system, messages).
    :param text_matches: a regular expression that is searched for in the request's text.
    :param model: the request's model, as it names it.
    :param max_tokens_below: the request's ``max_tokens`` are fewer.
    :param share: this share of the rows that meet the other conditions; the seed and the params decide which.
    :param first_submissions: only the first so many submissions of the same params. Params that differ in anything,
        such as ``max_tokens``, are counted for themselves.
    :param times: at most so many rows in total.
    :param error_type: of an errored row.
    :param message: of an errored row; default: the service's usual words.
    :param text: the answer of a succeeded row; not with ``invalid_output``. ``fenced`` and ``preface`` are put around
        it, with a schema and without.
    :param category: of a refusal.
    :param line: of an unreadable row, instead of the usual one; ``{custom_id}`` stands for the row's.
    :param output_tokens: what the usage of a ``succeeded`` row reports as its output, whatever the length of its text:
        as with a model that thinks and does not show it. If that is no less than the request's ``max_tokens``, the row
        ends as ``max_tokens`` instead.
    :param output_spread: makes these tokens differ by row: ``output_tokens`` is their median, and this the standard
        deviation of their logarithm. The seed and the params decide.
    """

    result: Result = "succeeded"
    custom_id: str | None = None
    contains: str | None = None
    text_matches: str | None = None
    model: str | None = None
    max_tokens_below: int | None = None
    share: float | None = None
    first_submissions: int | None = None
    times: int | None = None
    error_type: str | None = None
    message: str | None = None
    text: str | None = None
    category: str | None = None
    line: str | None = None
    output_tokens: int | None = None
    output_spread: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None and not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}; it must be between 0 and 1")
        if self.error_type is not None and self.error_type not in ROW_ERROR_MESSAGES:
            raise ValueError(f"no such error_type: {self.error_type}; use one of {', '.join(ROW_ERROR_MESSAGES)}")
        if self.result == "invalid_output" and self.text is not None:
            raise ValueError("invalid_output makes its own text; give a text with succeeded")
        self._check_output()
        for name in ("custom_id", "text_matches"):
            _compiled(name, getattr(self, name))

    def _check_output(self) -> None:
        if self.output_tokens is None:
            if self.output_spread is not None:
                raise ValueError("output_spread needs output_tokens")
            return
        if self.result != "succeeded":
            raise ValueError(f"output_tokens is for succeeded, not for {self.result}")
        if self.output_tokens < 1:
            raise ValueError(f"output_tokens is {self.output_tokens}; it must be 1 or more")
        if not 0 <= (self.output_spread or 0) <= MOST_SPREAD:
            raise ValueError(f"output_spread is {self.output_spread}; it must be between 0 and {MOST_SPREAD}")


@dataclass(frozen=True)
class Outcome:
    """How one row ends.

    :param output_tokens: what its usage reports; None for the tokens of its text.
    """

    result: Result
    error_type: str = "api_error"
    message: str = ""
    text: str | None = None
    category: str | None = None
    line: str | None = None
    output_tokens: int | None = None


def _compiled(name: str, pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{name} is not a regular expression: {error}") from error


def parse_rule(value: dict[str, Any]) -> OutcomeRule:
    """Make a rule from decoded JSON.

    :raises ValueError: it is not a rule; the message says what is wrong and what is allowed.
    """
    if value.get("result", "succeeded") not in RESULTS:
        raise ValueError(f"no such result: {value['result']}; use one of {', '.join(RESULTS)}")
    try:
        return msgspec.convert(value, OutcomeRule)
    except msgspec.ValidationError as error:
        raise ValueError(
            f"{error}; the fields of an outcome rule are {', '.join(OutcomeRule.__struct_fields__)}"
        ) from error


@dataclass
class _ActiveRule:
    rule: OutcomeRule
    number: int
    applied: int = 0
    submissions: Counter[bytes] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.custom_id = _compiled("custom_id", self.rule.custom_id)
        self.text_matches = _compiled("text_matches", self.rule.text_matches)


class Row:
    """One row as rules see it; costly values are computed once, and only if a rule needs them."""

    def __init__(self, custom_id: str, params: Params, content: bytes, occurrence: int) -> None:
        self.custom_id = custom_id
        self.content = content
        self.occurrence = occurrence
        self._params = params
        self._text: str | None = None

    def meets(self, rule: OutcomeRule) -> bool:
        """Return whether its params meet the rule's conditions on them."""
        if rule.model is not None and self._params.get("model") != rule.model:
            return False
        max_tokens = self._params.get("max_tokens")
        return rule.max_tokens_below is None or (isinstance(max_tokens, int) and max_tokens < rule.max_tokens_below)

    @property
    def max_tokens(self) -> int:
        """The most tokens of its answer; 0 if the params name none."""
        found = self._params.get("max_tokens")
        return found if isinstance(found, int) else 0

    @property
    def text(self) -> str:
        """All text of the prompt (tools, system, messages), joined by newlines."""
        if self._text is None:
            self._text = prompt_text(self._params)
        return self._text


class OutcomeRules:
    """The active rules, in order, and counts of the rows they were applied to."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = 0
        self._rules: list[_ActiveRule] = []

    def add(self, rule: OutcomeRule) -> None:
        """Add a rule after the active ones."""
        self._numbers += 1
        self._rules.append(_ActiveRule(rule, self._numbers))

    def clear(self) -> None:
        """Drop all rules; batches that were created under them keep their outcomes."""
        self._rules.clear()

    @property
    def need_content(self) -> bool:
        """Whether a rule needs the content hash of rows."""
        return any(
            rule.share is not None or rule.first_submissions is not None or rule.output_spread is not None
            for rule in (active.rule for active in self._rules)
        )

    def __bool__(self) -> bool:
        return bool(self._rules)

    def described(self) -> list[dict[str, Any]]:
        """Describe each rule by its given fields and by the number of rows it was ``applied`` to."""
        return [msgspec.to_builtins(active.rule) | {"applied": active.applied} for active in self._rules]

    def decide(self, row: Row) -> Outcome | None:
        """Decide how the row ends, by the first rule that matches; return None if no rule matches.

        Call this exactly once for each row: rules count rows.
        """
        decided: Outcome | None = None
        for active in self._rules:
            if not self._matches(active, row):
                continue
            active.submissions[row.content] += 1
            within = active.rule.first_submissions is None or (
                active.submissions[row.content] <= active.rule.first_submissions
            )
            if decided is None and within:
                active.applied += 1
                decided = self._outcome(active, row)
        return decided

    def _outcome(self, active: _ActiveRule, row: Row) -> Outcome:
        outcome = _outcome(active.rule)
        if active.rule.output_tokens is None:
            return outcome
        tokens = self._output_tokens(active, row)
        return (
            replace(outcome, result="max_tokens")
            if tokens >= row.max_tokens
            else replace(outcome, output_tokens=tokens)
        )

    def _output_tokens(self, active: _ActiveRule, row: Row) -> int:
        median = active.rule.output_tokens or 1
        if not active.rule.output_spread:
            return median
        drawn = lottery(self._seed, "output tokens", active.number, row.content.hex(), row.occurrence)
        deviation = NormalDist().inv_cdf(min(max(drawn, 1e-12), 1 - 1e-12))
        return max(1, round(median * math.exp(active.rule.output_spread * deviation)))

    def _matches(self, active: _ActiveRule, row: Row) -> bool:
        rule = active.rule
        if rule.times is not None and active.applied >= rule.times:
            return False
        if not row.meets(rule):
            return False
        if active.custom_id is not None and active.custom_id.search(row.custom_id) is None:
            return False
        if rule.contains is not None and rule.contains not in row.text:
            return False
        if active.text_matches is not None and active.text_matches.search(row.text) is None:
            return False
        if rule.share is None:
            return True
        return lottery(self._seed, "outcome", active.number, row.content.hex(), row.occurrence) < rule.share


def _outcome(rule: OutcomeRule) -> Outcome:
    error_type = rule.error_type or "api_error"
    return Outcome(
        result=rule.result,
        error_type=error_type,
        message=rule.message if rule.message is not None else ROW_ERROR_MESSAGES[error_type],
        text=rule.text,
        category=rule.category,
        line=rule.line,
    )
