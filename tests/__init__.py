"""A package, so that the name is ours: looker-sdk, which the Google provider needs, installs tests of its own."""
