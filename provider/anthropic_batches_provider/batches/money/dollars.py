"""Pico-dollars as text: to the last digit, or rounded to be read."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

_PICO_DIGITS = 12
_EXACT = Context(prec=60)
_LEAST_DIGITS = 2


def as_decimal(pico: int) -> Decimal:
    """Return pico-dollars as dollars, to the last digit and without zeros after it."""
    return Decimal(exact_dollars(pico))


def exact_dollars(pico: int) -> str:
    """Return pico-dollars as a decimal number of dollars, to the last digit: ``0.02131``.

    It runs once for each row that is written.
    """
    if pico < 0:
        return f"-{exact_dollars(-pico)}"
    digits = str(pico).zfill(_PICO_DIGITS + 1)
    rest = digits[-_PICO_DIGITS:].rstrip("0")
    return f"{digits[:-_PICO_DIGITS]}.{rest}" if rest else digits[:-_PICO_DIGITS]


def pico_of(dollars: str) -> int:
    """Read back the result of :func:`exact_dollars`.

    :raises ValueError: the text is no such number.
    """
    try:
        pico = Decimal(dollars).scaleb(_PICO_DIGITS, _EXACT)
        whole = int(pico)
    except (ArithmeticError, TypeError, ValueError):
        raise ValueError(f"{dollars!r} is no number of dollars.") from None
    if whole != pico:
        raise ValueError(f"{dollars!r} dollars are not whole in pico-dollars.")
    return whole


def rounded_dollars(pico: int, *, at_least: bool = False) -> str:
    """Return pico-dollars as people read them: ``$1,234.50``, ``$0.0021``, ``at least $12.29``.

    From a dime on there are cents; below, the first two digits that are not zero.

    :param at_least: whether parts are missing; then the figure is rounded down, so that it stays true.
    """
    value = abs(as_decimal(pico))
    rounding = ROUND_DOWN if at_least else ROUND_HALF_EVEN
    places = _LEAST_DIGITS if not value else max(_LEAST_DIGITS, _LEAST_DIGITS - 1 - value.adjusted())
    shown = value.quantize(Decimal(1).scaleb(-places), rounding, _EXACT)
    sign = "-" if pico < 0 else ""
    return f"{'at least ' if at_least else ''}{sign}${shown:,f}"
