"""One attempt at a sealed job, as a process: reports that it is ready, waits for a line, and sends all it can."""

from __future__ import annotations

import sys

from anthropic_batches_provider.batches.client import ClientSettings, MessageBatchClient
from anthropic_batches_provider.batches.ledger import JobFolder
from anthropic_batches_provider.batches.submission import Submission, SubmissionBounds, ask_time
from anthropic_batches_provider.edge.object_storage import open_storage
from anthropic_batches_provider.simulator import SimulatorControl
from tests.worlds.simulated_world import SimulatedClock


class _TimeOfServer:
    """The time of a simulator in another process."""

    def __init__(self, control: SimulatorControl) -> None:
        self.now = control.now
        self.advance = control.advance_clock


def main(base_url: str, api_key: str, storage: str, job: str) -> None:
    clock = SimulatedClock(_TimeOfServer(SimulatorControl(base_url)))
    with MessageBatchClient(ClientSettings(base_url=base_url, api_key=api_key)) as client:
        folder = JobFolder(open_storage(storage), job)
        submission = Submission(
            folder, client, clock=clock, service_clock=ask_time(client, clock), bounds=SubmissionBounds()
        )
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        submission.advance()


if __name__ == "__main__":
    main(*sys.argv[1:])
