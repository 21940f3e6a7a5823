"""The price list of a job: the user's prices, else those of genai-prices, by model, day and geography.

Invariant: each price is looked up once, and each reason why there is none is logged once.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from fractions import Fraction
from typing import Protocol

from anthropic_batches_provider.batches.money.given_prices import GivenPrices
from anthropic_batches_provider.batches.money.published_prices import NOT_INSTALLED, WHERE_TO_GIVE, PublishedPrices
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, NotWholeError, UnknownPrices

log = logging.getLogger(__name__)

_MOST_TOLD = 20

GEOGRAPHIES: Mapping[str | None, Fraction] = {
    None: Fraction(1),
    "global": Fraction(1),
    "not_available": Fraction(1),  # of models that cannot choose
    "us": Fraction(11, 10),
}
"""By ``usage.inference_geo``: what the prices of tokens are multiplied with; those of searches are not.

https://platform.claude.com/docs/en/manage-claude/data-residency (2026-11-21)
"""


class PublicPrices(Protocol):
    """Prices that hold for everyone, by day."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        """See :meth:`.PublishedPrices.of`."""


class PriceList:
    """The prices that hold for a job.

    :param given: the user's prices; they hold on every day, and replace the public ones for a model. The first that has
        a model decides.
    :param public: the prices for everyone.
    """

    def __init__(self, *given: GivenPrices, public: PublicPrices | None = None) -> None:
        self._given = tuple(prices for prices in given if len(prices))
        self._public = public or PublishedPrices()
        self._known: dict[tuple[str, dt.date, str | None], ModelPrices | UnknownPrices] = {}
        self._told: set[str] = set()

    def of(self, model: str, created_at: dt.datetime, geography: str | None) -> ModelPrices | UnknownPrices:
        """Return what a model charges.

        :param model: its id, as the API reports it.
        :param created_at: when the service created the batch, with a time zone.
        :param geography: the row's ``usage.inference_geo``.
        """
        if created_at.tzinfo is None:
            raise ValueError("The time at which a batch was created needs a time zone.")
        wanted = model, created_at.astimezone(dt.UTC).date(), geography
        found = self._known.get(wanted)
        if found is None:
            found = self._known[wanted] = self._look_up(*wanted)
            if isinstance(found, UnknownPrices):
                self.tell_once(found.reason, level=logging.INFO if found is NOT_INSTALLED else logging.WARNING)
        return found

    def are_known(self) -> bool:
        """Return whether there are prices at all; log once if there are none, since genai-prices is not installed."""
        if self._given or not isinstance(self._public, PublishedPrices) or PublishedPrices.is_installed():
            return True
        self.tell_once(NOT_INSTALLED.reason, level=logging.INFO)
        return False

    def tell_once(self, reason: str, level: int = logging.WARNING) -> None:
        """Log why costs are unknown, unless that was logged before; after 20 reasons, no more."""
        if reason not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(reason)
            log.log(level, "%s", reason)

    def _look_up(self, model: str, day: dt.date, geography: str | None) -> ModelPrices | UnknownPrices:
        factor = GEOGRAPHIES.get(geography)
        if factor is None:
            return UnknownPrices(
                f"The costs of `{model}` in the geography {geography!r} are unknown, since its prices are not known "
                f"here. Install a newer version of this package."
            )
        prices = self._anywhere(model, day)
        if isinstance(prices, UnknownPrices) or factor == 1:
            return prices
        try:
            return prices.with_tokens_times(factor)
        except NotWholeError as error:
            return UnknownPrices(
                f"The costs of `{model}` in the geography {geography!r} are unknown: {error}. Give its prices with "
                f"fewer digits, {WHERE_TO_GIVE}."
            )

    def _anywhere(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        for given in self._given:
            if (prices := given.of(model)) is not None:
                return prices
        return self._public.of(model, day)
