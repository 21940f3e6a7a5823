"""What the tests of estimates share: prices that are easy to compute with, and a service that counts words."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pendulum

from anthropic_batches_provider.batches.estimates import Estimator
from anthropic_batches_provider.batches.money.price_list import PriceList
from anthropic_batches_provider.batches.money.unit_prices import ModelPrices, PriceStep, UnitPrices, UnknownPrices
from anthropic_batches_provider.batches.rows import PreparedRow
from anthropic_batches_provider.errors import ApiError, ApiStatusError
from tests.worlds.ended_jobs import StillClock

NOW = pendulum.datetime(2026, 11, 29, 12)
CHEAP, DEAR, STEPPED, UNKNOWN = "claude-haiku-5-5", "claude-opus-5-5", "claude-stepped", "claude-unknown"


def _prices(factor: int, *, steps: bool = False) -> ModelPrices:
    def column(times: int) -> UnitPrices:
        return UnitPrices(
            input=100 * times,
            output=500 * times,
            cache_write_5m=150 * times,
            cache_write_1h=200 * times,
            cache_read=10 * times,
            steps=(PriceStep(above=100, prices=_without_steps(column(3 * times))),) if steps and times < 3 else (),
        )

    return ModelPrices(batch=column(factor), live=column(2 * factor), source="a test")


def _without_steps(prices: UnitPrices) -> UnitPrices:
    return replace(prices, steps=())


PRICES = {CHEAP: _prices(1), DEAR: _prices(4), STEPPED: _prices(1, steps=True)}


class Public:
    """With the cheap model, a token in a batch costs 100 pico-dollars of input, 500 of output, 200 written, 10 read."""

    def of(self, model: str, day: dt.date) -> ModelPrices | UnknownPrices:
        assert day == NOW.date()
        return PRICES.get(model, UnknownPrices(f"Nobody knows the price of `{model}`."))


class FreeService:
    """Counts the words of system prompt and messages; has no call that costs something.

    :param refused: rows with this word are refused, as the API refuses them.
    :param failures: are raised by the first calls, in this order.
    """

    def __init__(self, *, refused: str = "", failures: Sequence[ApiError] = ()) -> None:
        self.refused = refused
        self.failures = list(failures)
        self.counted: list[Mapping[str, Any]] = []
        self.looked_up: list[str] = []
        self.retires_at: dict[str, str] = {}

    def count_tokens(self, params: Mapping[str, Any], /) -> int:
        self.counted.append(params)
        if self.failures:
            raise self.failures.pop(0)
        text = json.dumps([params.get("system", ""), params["messages"]])
        if self.refused and self.refused in text:
            raise ApiStatusError(
                "400: messages: wrong", status=400, error_type="invalid_request_error", request_id="req_1"
            )
        contents = [message["content"] for message in params["messages"]]
        blocks = [block for content in contents if isinstance(content, list) for block in content]
        texts = [params.get("system", ""), *contents, *(block.get("text", "") for block in blocks)]
        system = params.get("system", "")
        texts += [block.get("text", "") for block in system] if isinstance(system, list) else []
        pictures = sum(block["type"] in ("image", "document") for block in blocks)
        return 1_000 * pictures + sum(len(text.split()) for text in texts if isinstance(text, str))

    def model(self, model_id: str, /) -> dict[str, Any]:
        self.looked_up.append(model_id)
        if model_id == UNKNOWN:
            raise ApiStatusError("404: no such model", status=404)
        return {"id": model_id, "retires_at": self.retires_at.get(model_id)}

    def models(self) -> Sequence[dict[str, Any]]:
        return []


def estimator(service: FreeService, spool: Path, **settings: Any) -> Estimator:
    return Estimator(prices=PriceList(public=Public()), service=service, clock=StillClock(NOW), spool=spool, **settings)


def row(number: int, words: int = 1, *, model: str = CHEAP, max_tokens: int = 100, **params: Any) -> PreparedRow:
    """Return a row whose prompt has so many words, the last of them its number."""
    text = " ".join(["word"] * (words - 1) + [str(number)])
    content = [{"role": "user", "content": text}]
    given = {"model": model, "max_tokens": max_tokens, "messages": content, **params}
    return PreparedRow(number, b"{}", json.dumps(given, separators=(",", ":")).encode())
