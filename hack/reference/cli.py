"""docs/reference/cli.md"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from dnatctl.cli.main import cli
from reference.markdown import code, page, table

INTRODUCTION = """\
`kubectl dnat …` is the same program as a plugin. Exit status: 0 ok, 1 failed, 2 bad usage or
configuration. A flag wins over its environment variable, that over the configuration file.

Words are completed after `eval "$(_DNATCTL_COMPLETE=bash_source dnatctl)"` (or `zsh_source`,
`fish_source`) in the shell's start-up file; after `kubectl dnat`, wherever kubectl's own
completion is on and `kubectl_complete-dnat`, which is installed with dnatctl, is in `PATH`."""


def render() -> str:
    """The page."""
    context = click.Context(cli, info_name="dnatctl")
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    parts = [_command(name, command) for name, command in sorted(commands.items()) if command]
    return page("Command line", "`src/dnatctl/cli`", INTRODUCTION, *parts)


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"dnatctl {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {code(f'dnatctl {name}')}", inspect.cleandoc(command.help or "")]
    parts.append(f"Usage: {code(f'dnatctl {name} {usage}')}")
    found = (item for item in command.params if isinstance(item, click.Option))
    options = [option for option in found if not option.hidden]
    if options:
        head = ["Flag", "Value", "Environment", "Default", "Meaning"]
        parts.append(table(head, (_option(option, context) for option in options)))
    return "\n\n".join(part for part in parts if part)


def _option(option: click.Option, context: click.Context) -> list[str]:
    flags = " ".join(code(flag) for flag in (*option.opts, *option.secondary_opts))
    default = option.to_info_dict()["default"]
    if isinstance(default, bool):
        default = str(default).lower()
    shown = code(str(default)) if isinstance(default, str | int | float) else ""
    value = _value(option, context)
    return [flags, value, " ".join(_variables(option)), shown, option.help or ""]


def _value(option: click.Option, context: click.Context) -> str:
    """What may be given: one of some words, a number of a range, or what `--help` calls it."""
    if option.is_flag:
        return ""
    kind = option.type
    if isinstance(kind, click.Choice):
        return ", ".join(code(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange):
        return f"{kind.min} or more" if kind.max is None else f"{kind.min} to {kind.max}"
    return code(option.make_metavar(context))


def _variables(option: click.Option) -> Iterator[str]:
    named = option.envvar or ()
    return map(code, [named] if isinstance(named, str) else named)
