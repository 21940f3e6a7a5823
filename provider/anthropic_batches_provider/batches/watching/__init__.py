"""One watch over the batches of one connection, for all who wait for them.

Split in two: what to do next is decided without a loop or a clock of its own (:mod:`schedule`, :mod:`subscription`);
:mod:`watcher` carries it out. Invariants: a failed look never ends a wait by itself and never touches a batch; nothing
here cancels or submits; every subscription is told its outcome once.

Importing this room does not import the SDK, which would stall an event loop.
"""

from anthropic_batches_provider.batches.watching.failure_kinds import FailureKind
from anthropic_batches_provider.batches.watching.subscription import News, Note, Outcome, Subscription
from anthropic_batches_provider.batches.watching.watcher import LooksAtBatches, Meter, Watcher

__all__ = ["FailureKind", "LooksAtBatches", "Meter", "News", "Note", "Outcome", "Subscription", "Watcher"]
