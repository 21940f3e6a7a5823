"""The service's time, by which intents and batches are compared."""

from __future__ import annotations

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock
from anthropic_batches_provider.batches.service import GreetService
from anthropic_batches_provider.errors import UnexpectedAnswerError

_LONGEST_GREETING = pendulum.duration(seconds=20)
_TIME_IS_FRESH = pendulum.duration(seconds=60)


def ask_time(service: GreetService, clock: Clock) -> ServiceClock:
    """Return the service's clock as of now.

    :raises UnexpectedAnswerError: the service does not send the time, without which a lost answer cannot be settled.
    """
    asked_at = clock.now()
    service_time = service.greet().server_time
    if clock.now() - asked_at > _LONGEST_GREETING:
        # The process was paused, or the answer took long: either would set the clock wrong.
        return ask_time(service, clock)
    if service_time is None:
        raise UnexpectedAnswerError(
            "The service's answers carry no Date header, which is needed to settle a lost answer. If a proxy "
            "between Airflow and the API strips it, let the proxy pass it on. Nothing was sent."
        )
    return ServiceClock(clock, service_time)


class ServiceTime:
    """The service's time while a job is being submitted, which may take hours.

    :param asked: the service's clock, as it was asked just now.
    """

    def __init__(self, service: GreetService, clock: Clock, asked: ServiceClock) -> None:
        self._service = service
        self._clock = clock
        self._asked = asked
        self._asked_at = clock.now()

    def now(self) -> pendulum.DateTime:
        """Return the service's current time, in UTC."""
        return self._asked.now()

    def refresh_if_old(self) -> None:
        """Ask again if the last answer is old, or this machine's clock was set back."""
        if not pendulum.duration() <= self._clock.now() - self._asked_at <= _TIME_IS_FRESH:
            self._asked = ask_time(self._service, self._clock)
            self._asked_at = self._clock.now()
