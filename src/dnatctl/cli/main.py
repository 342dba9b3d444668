"""`dnatctl` and its commands. Exit status: 0 ok, 1 failed, 2 bad usage or configuration;
`plan` has 3 besides: something would be done."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

import click
from click.shell_completion import CompletionItem

from dnatctl import __version__

COMMANDS = {
    "run": ("dnatctl.cli.run:run", "Run the controller."),
    "check": ("dnatctl.cli.check:check", "Check the configuration, offline or against the world."),
    "status": ("dnatctl.cli.status:status", "Show gateways, ports, backlogs, and who waits."),
    "list": ("dnatctl.cli.list_:list_", "List pods with their endpoints."),
    "who": ("dnatctl.cli.who:who", "Show whose an endpoint is, and whose it was."),
    "explain": ("dnatctl.cli.explain:explain_", "Say why a pod is, or is not, reachable."),
    "plan": ("dnatctl.cli.plan:plan", "Show what would be done now; change nothing."),
    "drain": ("dnatctl.cli.orders:drain", "Put nothing new on an EIP or a gateway."),
    "undrain": ("dnatctl.cli.orders:undrain", "Take back a drain."),
    "pause": ("dnatctl.cli.orders:pause", "Change nothing of a pod, on a gateway, or at all."),
    "resume": ("dnatctl.cli.orders:resume", "End a pause."),
    "log-level": ("dnatctl.cli.orders:log_level", "Log a pod or a gateway in detail, for a while."),
    "gc": ("dnatctl.cli.gc:gc", "Show entries of this cluster that nothing claims; delete them."),
    "uninstall": (
        "dnatctl.cli.uninstall:uninstall",
        "Take everything of ours out of cloud and cluster.",
    ),
    "ui": ("dnatctl.cli.ui:ui", "Show gateways, ports and who waits in a browser."),
    "version": ("dnatctl.cli.version:version", "Print the version."),
}
EMULATED = {
    "sim": ("dnatctl_sim.cli.sim:sim", "Emulate a cluster and the cloud on this machine."),
    "demo": ("dnatctl_sim.cli.demo:demo", "Show the controller at work on the emulators."),
}
"""Commands of a checkout: an installation has no emulators."""


class LazyGroup(click.Group):
    """Imports a command when it is used: the SDKs cost half a second.

    What a list of the commands says of each therefore stands in a table here.
    """

    @property
    def _commands(self) -> dict[str, tuple[str, str]]:
        emulated = EMULATED if importlib.util.find_spec("dnatctl_sim") else {}
        return COMMANDS | emulated

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """See click."""
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """See click."""
        if cmd_name not in self._commands:
            return None
        where, _ = self._commands[cmd_name]
        module, _, name = where.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(where)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click, which has a hint for flags only."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self._commands, 1)
            hint = f" (Did you mean {near[0]!r}?)" if near else ""
            raise click.UsageError(f"{error.message}{hint}", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """See click."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """See click."""
        items = click.Command.shell_complete(self, ctx, incomplete)
        return items + [
            CompletionItem(name, help=text)
            for name, (_, text) in self._commands.items()
            if name.startswith(incomplete)
        ]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="dnatctl %(version)s")
def cli() -> None:
    """Public endpoints for Kubernetes pods through DNAT entries of Alibaba Cloud NAT gateways."""


def main() -> None:
    """The entry point."""
    _open_what_is_closed()
    try:
        sys.exit(cli())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _give_up_output()
        sys.exit(f"Error: {error.strerror}")


def _open_what_is_closed() -> None:
    """Whoever started this may have closed its standard files. What is opened next would get their
    numbers, and then what is logged."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()


def _give_up_output() -> None:
    """What is left to be printed is not tried again at the end."""
    sys.stdout = _nowhere()


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w")  # until the end of the process
