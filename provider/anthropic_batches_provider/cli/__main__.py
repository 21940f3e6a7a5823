"""``python -m anthropic_batches_provider.cli``: the same as ``anthropic-batches``."""

import sys

from anthropic_batches_provider.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
