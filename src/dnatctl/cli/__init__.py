"""The command line."""

from dnatctl.cli.main import main

__all__ = ["main"]
