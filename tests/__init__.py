"""A package, to reserve the name: looker-sdk, which the Google provider needs, installs its own ``tests``."""
