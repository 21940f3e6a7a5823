"""The command line, ``anthropic-batches``: one module for each command, and one list of them.

Nothing else imports it, so it costs no DAG parse anything. A command imports what it needs when it runs.
"""

from anthropic_batches_provider.cli.commands import main

__all__ = ["main"]
