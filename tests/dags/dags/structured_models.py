"""A model that a DAG names, and that only the workers import."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Label(BaseModel):
    """The same as in the DAG's file."""

    mood: Literal["good", "bad"]
    rating: int = Field(ge=0, le=100)
    keywords: list[str]
