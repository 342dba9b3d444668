"""`dnatctl` and its commands. Exit status: 0 ok, 1 failed, 2 bad usage or configuration."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import click

COMMANDS = {
    "run": "dnatctl.cli.run:run",
    "check": "dnatctl.cli.check:check",
    "gc": "dnatctl.cli.gc:gc",
    "version": "dnatctl.cli.version:version",
}
EMULATED = {
    "sim": "dnatctl_sim.cli.sim:sim",
    "demo": "dnatctl_sim.cli.demo:demo",
}
"""Commands of a checkout: an installation has no emulators."""


class LazyGroup(click.Group):
    """Imports a command when it is used: the SDKs cost half a second."""

    @property
    def _commands(self) -> dict[str, str]:
        emulated = EMULATED if importlib.util.find_spec("dnatctl_sim") else {}
        return COMMANDS | emulated

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """See click."""
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """See click."""
        where = self._commands.get(cmd_name)
        if where is None:
            return None
        module, _, name = where.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(where)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Public endpoints for Kubernetes pods through DNAT entries of Alibaba Cloud NAT gateways."""


def main() -> None:
    """The entry point."""
    sys.exit(cli())
