"""Prices that the user gives: a contract, or a model that genai-prices lacks. They replace the library's for a model.

::

    {"claude-opus-5-5": {"input": "4", "output": "20", "cache_read": "0.2", "batch": "0.5"}}

Invariant: what is given is used as it was written, or refused before anything is sent. A float is taken by its shortest
decimal text, which is the text it was written as: JSON has no other numbers. If a computed float is off in its last
digit, its text has more digits than a whole number of pico-dollars allows, so it is refused rather than believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from anthropic_batches_provider.batches.model_names import without_date
from anthropic_batches_provider.batches.money.unit_prices import (
    HALF,
    SEARCHES_OF_A_PRICE,
    TOKEN_KINDS,
    TOKENS_OF_A_PRICE,
    ModelPrices,
    NotWholeError,
    PriceStep,
    UnitPrices,
    pico_dollars,
)
from anthropic_batches_provider.batches.prompt_cache.cached_models import CachingOfModel, caching_of
from anthropic_batches_provider.batches.requests.wording import listed, shortened
from anthropic_batches_provider.errors import ConfigurationError

PUBLIC_WEB_SEARCH = Decimal(10)
"""Dollars for 1,000 searches, also in a batch. https://platform.claude.com/docs/en/about-claude/pricing (2026-11-21)"""

DEARER_ABOVE = {"claude-haiku-5-5": 100_000}
"""Models whose long prompts are dearer, and from which length on; the same page."""

_KEYS = (*TOKEN_KINDS, "web_search", "batch", "above")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?\Z")


class GivenPrices:
    """Prices by model, checked.

    :param prices: for each model, ``input`` and ``output`` outside of batches, in dollars for a million tokens, as
        text, Decimal, int or float. Optional are:

        - ``cache_write_5m``, ``cache_write_1h``, ``cache_read``: the same for the prompt cache. By default the
          published multiples of ``input``; unknown for a model whose multiples are not known here.
        - ``web_search``: dollars for 1,000 searches; by default the published 10.
        - ``batch``: the share of the prices of tokens that a batch costs; by default the published 0.5.
        - ``above``: prices of long prompts, ``{100000: {"input": "0.5", "output": "2.5"}}``. They hold for all tokens
          of a request with a longer prompt.
    :param origin: where they were given, for messages: an argument, or a connection's extra.
    :param source: whose prices they are, for the figures that are made of them.
    :param state: what is true if they are refused, as a sentence that ends each message.
    :raises ConfigurationError: they cannot be used; names model and key.
    """

    def __init__(
        self,
        prices: object,
        *,
        origin: str = "`prices`",
        source: str = "the argument `prices`",
        state: str = "Nothing was sent.",
    ) -> None:
        if not isinstance(prices, Mapping):
            raise ConfigurationError(
                f"{origin} must be a dict of prices by model, not {type(prices).__name__}. Write "
                f'{{"claude-opus-5-5": {{"input": "4", "output": "20"}}}}. {state}'
            )
        for model in prices:
            _check_model_name(model, origin, state)
        try:
            self._prices = {model: _Entry(model, given, origin).prices(source) for model, given in prices.items()}
        except _EntryError as error:
            raise ConfigurationError(f"{error} {state}") from None

    def __len__(self) -> int:
        """Return how many models have prices here."""
        return len(self._prices)

    def of(self, model: str) -> ModelPrices | None:
        """Return what a model charges, for inference anywhere; None if it was not given.

        :param model: its id, as the API reports it. Prices of an id without a date hold for each of its snapshots.
        """
        return self._prices.get(model) or self._prices.get(without_date(model))


def _check_model_name(model: object, origin: str, state: str) -> None:
    if not isinstance(model, str) or not model or model != model.strip():
        raise ConfigurationError(f"{origin} must name models by their ids, not {model!r}. {state}")


class _EntryError(ValueError):
    """The prices of a model cannot be used; says why, and what to do."""


class _Entry:
    """The prices of one model, while they are checked."""

    def __init__(self, model: str, given: object, origin: str) -> None:
        self._name = f"{origin}[{shortened(repr(model))}]"
        self._model = without_date(model)
        self._given = self._dict(given, _KEYS, "")

    def prices(self, source: str) -> ModelPrices:
        given = self._given
        share = Fraction(self._number(given, "batch", "")) if "batch" in given else HALF
        if share > 1:
            raise self._error(f"`batch` is {given['batch']}: it must be a share of the price, from 0 to 1, such as 0.5")
        search = self._number(given, "web_search", "") if "web_search" in given else PUBLIC_WEB_SEARCH
        pico = self._pico(search, SEARCHES_OF_A_PRICE, "`web_search`")
        live = replace(self._column(given, "", pico), steps=self._steps(given, pico))
        try:
            return ModelPrices(batch=live.with_tokens_times(share), live=live, source=source)
        except NotWholeError as error:
            raise self._error(f"its prices in batches cannot be used: {error}") from None

    def _steps(self, given: Mapping[str, Any], search: int) -> tuple[PriceStep, ...]:
        if "above" not in given and self._model in DEARER_ABOVE:
            start = DEARER_ABOVE[self._model]
            raise self._error(
                f"its prompts of more than {start:,} tokens are dearer. Add their prices as "
                f'"above": {{{start}: {{"input": …, "output": …}}}}, or "above": {{}} if yours are not'
            )
        above = given.get("above", {})
        if not isinstance(above, Mapping):
            raise self._error(f"`above` must be a dict of prices by length of the prompt, not {type(above).__name__}")
        columns = {self._length(start): (f" above {start} tokens", column) for start, column in above.items()}
        if len(columns) < len(above):
            raise self._error("`above` names a length twice")
        return tuple(
            PriceStep(above=start, prices=self._column(self._dict(column, TOKEN_KINDS, place), place, search))
            for start, (place, column) in sorted(columns.items())
        )

    def _column(self, given: Mapping[str, Any], place: str, search: int) -> UnitPrices:
        tokens = {kind: self._tokens(given, kind, place) for kind in TOKEN_KINDS}
        return UnitPrices.of_kinds({**tokens, "web_search": search})

    def _tokens(self, given: Mapping[str, Any], kind: str, place: str) -> int | None:
        if kind in given or kind in ("input", "output"):
            return self._pico(self._number(given, kind, place), TOKENS_OF_A_PRICE, f"`{kind}`{place}")
        caching = caching_of(self._model)
        if caching is None:
            return None
        price = Fraction(self._number(given, "input", place)) * multiple(caching, kind)
        return self._pico(price, TOKENS_OF_A_PRICE, f"`{kind}`{place}, which follows from `input`,")

    def _number(self, given: Mapping[str, Any], key: str, place: str) -> Decimal:
        if key not in given:
            raise self._error(f"`{key}`{place} is missing")
        number = _decimal(given[key])
        if number is None:
            raise self._error(
                f"`{key}`{place} is {shortened(repr(given[key]))}: it must be a number in plain digits, 0 or more"
            )
        return number

    def _pico(self, price: Decimal | Fraction, of: int, name: str) -> int:
        try:
            return pico_dollars(price, of)
        except NotWholeError as error:
            unit = "dollars for a million tokens" if of == TOKENS_OF_A_PRICE else "dollars for 1,000 searches"
            raise self._error(f"{name} cannot be used: {error}. Give it in {unit}, with fewer digits") from None

    def _dict(self, given: object, keys: tuple[str, ...], place: str) -> Mapping[str, Any]:
        if not isinstance(given, Mapping):
            raise self._error(f"the prices{place} must be a dict, not {type(given).__name__}")
        unknown = [key for key in given if key not in keys]
        if unknown:
            raise self._error(f"the prices{place} have the unknown keys {listed(unknown)}; use {listed(keys)}")
        return given

    def _length(self, start: object) -> int:
        text = str(start)
        if isinstance(start, bool) or not isinstance(start, int | str) or not re.fullmatch("[0-9]{1,12}", text):
            raise self._error(f"`above` names the length {shortened(repr(start))}: it must be a number of tokens")
        return int(text)

    def _error(self, what: str) -> _EntryError:
        return _EntryError(f"{self._name}: {what}.")


def multiple(caching: CachingOfModel, kind: str) -> Fraction:
    """Return how many times the price of plain input a kind of the prompt cache costs, exactly."""
    times = {"cache_write_5m": caching.write_5m, "cache_write_1h": caching.write_1h, "cache_read": caching.read}
    return Fraction(str(times[kind]))


def _decimal(value: object) -> Decimal | None:
    """Return a number as it was written; None for what is no finite number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, str) and not _NUMBER.match(value.strip()):
        return None
    try:
        number = Decimal(
            value.strip() if isinstance(value, str) else repr(value) if isinstance(value, float) else value
        )
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
