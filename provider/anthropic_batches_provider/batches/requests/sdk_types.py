"""Recognizes the SDK's types by their names, because this room does not import the SDK."""

from __future__ import annotations


def is_omitted(value: object) -> bool:
    """Return whether a value is the SDK's ``NOT_GIVEN`` or ``omit``: its field is left out."""
    return is_of(type(value), "anthropic", ("NotGiven", "Omit"))


def is_of(kind: type, package: str, names: tuple[str, ...]) -> bool:
    """Return whether a type, or one that it derives from, has one of these names in a package."""
    return any(base.__name__ in names and base.__module__.partition(".")[0] == package for base in kind.__mro__)
