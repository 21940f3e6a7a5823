"""What the prompt cache of a job gained or lost, in tokens of plain input."""

from __future__ import annotations
