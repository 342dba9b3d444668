"""`dnatctl` and its commands. Exit status: 0 ok, 1 failed, 2 bad usage or configuration."""

from __future__ import annotations

import importlib
import sys

import click

COMMANDS = {
    "run": "dnatctl.cli.run:run",
    "check": "dnatctl.cli.check:check",
    "gc": "dnatctl.cli.gc:gc",
    "sim": "dnatctl.cli.sim:sim",
    "demo": "dnatctl.cli.demo:demo",
    "version": "dnatctl.cli.version:version",
}


class LazyGroup(click.Group):
    """Imports a command when it is used: the SDKs cost half a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """See click."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """See click."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            if cmd_name in ("sim", "demo") and error.name and not error.name.startswith("dnatctl"):
                raise click.ClickException(
                    f"`{cmd_name}` needs the sim extra: pip install 'dnatctl[sim]'"
                ) from error
            raise
        if not isinstance(command, click.Command):
            raise TypeError(COMMANDS[cmd_name])
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Public endpoints for Kubernetes pods through DNAT entries of Alibaba Cloud NAT gateways."""


def main() -> None:
    """The entry point."""
    sys.exit(cli())
