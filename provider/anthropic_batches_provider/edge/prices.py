"""The user's own prices: of an operator's argument ``prices``, and of the connection's extra ``prices``.

Invariants: for a model, the argument wins over the connection, and the connection over genai-prices. A mistake stops a
task before it sends anything, and never a wait in the triggerer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anthropic_batches_provider.edge.mapped_arguments import is_unmapped
from anthropic_batches_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic_batches_provider.batches.client import ClientSettings
    from anthropic_batches_provider.batches.money.given_prices import GivenPrices
    from anthropic_batches_provider.batches.money.price_list import PriceList

NOTHING_SENT = "Nothing was sent."


def check_prices_argument(operator: Any) -> None:
    """Check ``prices`` when the DAG is parsed; without any, nothing of the engine is imported.

    :raises ConfigurationError: they cannot be used; names model and key.
    """
    if operator.prices is not None and not is_unmapped(operator):
        _of_argument(operator.prices, NOTHING_SENT)


def check_connection_prices(settings: ClientSettings, conn_id: str) -> None:
    """Check the connection's own prices.

    :raises ConfigurationError: they cannot be used; names connection, model and key.
    """
    _of_connection(settings, conn_id, NOTHING_SENT)


def price_list(prices: object, settings: ClientSettings, conn_id: str, *, state: str = NOTHING_SENT) -> PriceList:
    """Return the prices that hold for a task, each looked up once; make one list for each job and attempt.

    :param prices: the operator's argument: a dict by model, as :class:`.GivenPrices` takes it; None for none.
    :param settings: of the connection.
    :param conn_id: its id, for messages.
    :param state: what is true if the prices are refused, as a sentence that ends the message.
    :raises ConfigurationError: one of the two cannot be used; names argument or connection, model and key.
    """
    from anthropic_batches_provider.batches.money.price_list import PriceList

    given = [] if prices is None else [_of_argument(prices, state)]
    of_connection = _of_connection(settings, conn_id, state)
    return PriceList(*given, *([] if of_connection is None else [of_connection]))


def _of_argument(prices: object, state: str) -> GivenPrices:
    from anthropic_batches_provider.batches.money.given_prices import GivenPrices

    return GivenPrices(prices, state=state)


def _of_connection(settings: ClientSettings, conn_id: str, state: str) -> GivenPrices | None:
    prices = settings.prices
    if prices is None or (isinstance(prices, str) and not prices.strip()):
        return None
    from anthropic_batches_provider.batches.money.given_prices import GivenPrices

    origin = f"Connection {conn_id}: `prices` of its extra"
    if isinstance(prices, str):
        prices = _decoded(prices, origin, state)
    return GivenPrices(prices, origin=origin, source=f"the connection {conn_id}", state=state)


def _decoded(text: str, origin: str, state: str) -> Any:
    """Return what the JSON of a form holds, with numbers as they were written."""
    from decimal import Decimal

    import msgspec

    try:
        return msgspec.json.Decoder(float_hook=Decimal).decode(text)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"{origin} is not JSON ({error}). Enter a JSON object of prices by model, such as "
            f'{{"claude-opus-5-5": {{"input": "4", "output": "20"}}}}. {state}'
        ) from None
