"""What submission asks of the service, and of its clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.message_batch import MessageBatch
from anthropic_batches_provider.batches.submission.settler import SettlingService
from anthropic_batches_provider.errors import UnexpectedAnswerError

_LONGEST_GREETING = pendulum.duration(seconds=20)


class Greeting(Protocol):
    """What the headers of an answer told."""

    @property
    def server_time(self) -> pendulum.DateTime | None:
        """The service's clock; None where a proxy strips the ``Date`` header."""


class GreetingService(Protocol):
    """Who can be asked for the time."""

    def greet(self) -> Greeting:
        """List one batch, which tells the account and the service's time."""


def ask_time(service: GreetingService, clock: Clock) -> ServiceClock:
    """Return the service's clock as of now.

    :raises UnexpectedAnswerError: the service does not tell the time: without it a lost answer could not be settled.
    """
    asked_at = clock.now()
    service_time = service.greet().server_time
    if clock.now() - asked_at > _LONGEST_GREETING:
        # The process was stopped, or the answer was long under way: either would set the clock wrong.
        return ask_time(service, clock)
    if service_time is None:
        raise UnexpectedAnswerError(
            "The service's answers carry no Date header, by which a lost answer would be settled; a proxy between "
            "Airflow and the API may strip it. Nothing was sent. Let the proxy pass the header on."
        )
    return ServiceClock(clock, service_time)


class SubmissionService(SettlingService, GreetingService, Protocol):
    """What submission asks of the client."""

    def create(self, content: Iterable[bytes], *, content_length: int, betas: Sequence[str] = ()) -> MessageBatch:
        """Send one create call, once."""

    def retrieve(self, batch_id: str) -> MessageBatch:
        """Look at one batch."""

    def cancel(self, batch_id: str) -> MessageBatch:
        """Cancel a batch."""
