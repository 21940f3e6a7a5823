"""Marks the end of the prefix that all requests of a job share, once and identically in each."""

from __future__ import annotations
