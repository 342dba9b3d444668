"""`dnatctl version`."""

from __future__ import annotations

import platform

import click

from dnatctl import __version__


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(f"dnatctl {__version__} (Python {platform.python_version()})")
