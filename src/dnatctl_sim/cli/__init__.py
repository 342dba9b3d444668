"""The commands that a checkout has and an installation lacks: `sim` and `demo`."""
