"""``python -m anthropic_batches_provider settle JOB …``: the same as ``anthropic-batches settle``."""

from __future__ import annotations

import sys

from anthropic_batches_provider.cli import main

if __name__ == "__main__":
    sys.exit(main())
