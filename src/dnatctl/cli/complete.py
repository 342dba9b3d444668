"""`kubectl_complete-dnat`: kubectl runs it to complete the words after `kubectl dnat`.

https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#shell-completion-for-plugins
"""

from __future__ import annotations

import sys

import click
from click.shell_completion import ShellComplete

from dnatctl.cli.main import cli

NO_FILES = 4
"""Cobra's ShellCompDirectiveNoFileComp."""
ELSE_FILES = 0
"""Cobra's ShellCompDirectiveDefault: file names, where nothing else fits."""


def main() -> None:
    """The entry point. The last argument is the word to complete, "" for a new one."""
    *words, incomplete = sys.argv[1:] or [""]
    found = ShellComplete(cli, {}, "kubectl-dnat", "").get_completions(words, incomplete)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(f":{ELSE_FILES if any(item.type == 'file' for item in found) else NO_FILES}")
