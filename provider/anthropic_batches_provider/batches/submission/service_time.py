"""The service's time, by which intents and batches are compared."""

from __future__ import annotations

import pendulum

from anthropic_batches_provider.batches.clock import Clock, ServiceClock, Stopwatch
from anthropic_batches_provider.batches.service import GreetService
from anthropic_batches_provider.errors import UnexpectedAnswerError

_LONGEST_GREETING = pendulum.duration(seconds=20)
_TIME_IS_FRESH = pendulum.duration(seconds=60)


def ask_time(service: GreetService, clock: Clock) -> ServiceClock:
    """Return the service's clock as of now.

    :raises UnexpectedAnswerError: the service does not send the time, without which a lost answer cannot be settled.
    """
    asked = Stopwatch(clock)
    service_time = service.greet().server_time
    if asked.at_most() > _LONGEST_GREETING:
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
        self._asked_ago = Stopwatch(clock)

    def now(self) -> pendulum.DateTime:
        """Return the service's current time, in UTC."""
        return self._asked.now()

    def refresh_if_old(self, oldest: pendulum.Duration = _TIME_IS_FRESH) -> None:
        """Ask again if the last answer is older than that by either clock, or this machine's clock was set back."""
        if self._asked_ago.at_most() > oldest or self._asked_ago.was_set_back():
            self._asked = ask_time(self._service, self._clock)
            self._asked_ago = Stopwatch(self._clock)
