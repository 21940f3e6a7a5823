"""The service's time, by which intents and batches are compared."""

from __future__ import annotations

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.service import GreetService
from anthropic_batches_provider.errors import UnexpectedAnswerError

_LONGEST_GREETING = pendulum.duration(seconds=20)


def ask_time(service: GreetService, clock: Clock) -> ServiceClock:
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
