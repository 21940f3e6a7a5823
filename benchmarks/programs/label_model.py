"""The form of the answers of the benchmark of judging: five fields, one of them a list of objects."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Part(BaseModel):
    """A part of what is labeled."""

    name: str
    share: float = Field(ge=0)


class Label(BaseModel):
    """What is asked of each row."""

    sentiment: Literal["positive", "negative", "mixed"]
    rating: int = Field(ge=-(10**6), le=10**6)
    summary: str = Field(max_length=500)
    is_urgent: bool
    parts: list[Part]
