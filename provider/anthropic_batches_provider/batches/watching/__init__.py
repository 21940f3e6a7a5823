"""One watch over the batches of one connection, shared by all waits for them.

:mod:`schedule` and :mod:`subscription` decide the next step, without an event loop or a clock of their own;
:mod:`watcher` carries it out. Invariants: a failed check never ends a wait by itself and never affects a batch; nothing
here cancels or submits; every subscription gets its outcome once.

Importing this room does not import the SDK, which would stall an event loop.
"""

from anthropic_batches_provider.batches.watching.failure_kinds import FailureKind
from anthropic_batches_provider.batches.watching.subscription import News, Note, Outcome, Subscription
from anthropic_batches_provider.batches.watching.watcher import LooksAtBatches, Meter, Watcher

__all__ = ["FailureKind", "LooksAtBatches", "Meter", "News", "Note", "Outcome", "Subscription", "Watcher"]
