"""The client of the Message Batches API over HTTP; the only package that imports the SDK, and it does so eagerly.

Invariants: a create call is one POST, never repeated and never redirected; an answer counts only when its body proves
it; credentials come from the settings alone; every exception is mapped; no message holds a secret.
"""

from anthropic import Anthropic

from anthropic_batches_provider.batches.account import Greeting
from anthropic_batches_provider.batches.client.async_client import AsyncMessageBatchClient
from anthropic_batches_provider.batches.client.bodies import SpooledBody, decoded_results, spooled_body
from anthropic_batches_provider.batches.client.calls import BatchPage
from anthropic_batches_provider.batches.client.connection import ConnectionFields, decoded_extra, settings_of
from anthropic_batches_provider.batches.client.settings import DEFAULT_BASE_URL, ClientSettings
from anthropic_batches_provider.batches.client.sightings import Look, SightedCounts, Sighting
from anthropic_batches_provider.batches.client.sync_client import MessageBatchClient

__all__ = [
    "DEFAULT_BASE_URL",
    "Anthropic",
    "AsyncMessageBatchClient",
    "BatchPage",
    "ClientSettings",
    "ConnectionFields",
    "Greeting",
    "Look",
    "MessageBatchClient",
    "SightedCounts",
    "Sighting",
    "SpooledBody",
    "decoded_extra",
    "decoded_results",
    "settings_of",
    "spooled_body",
]
