"""`dnatctl run`: the controller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dnatctl.cli.asking import STATUS_PORT
from dnatctl.cli.options import config_option, kubeconfig_option, namespace_option
from dnatctl.observe.http import parse_address
from dnatctl.observe.logs import LEVELS

Command = TypeVar("Command", bound=Callable[..., Any])


class _BindAddress(click.ParamType[str]):
    """Where to listen."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        try:
            parse_address(value)
        except ValueError as error:
            self.fail(f"{error}: write :8080, 127.0.0.1:8080, [::1]:8080, or 0", param, ctx)
        return value


def _bind_option(flag: str, usual: str, what: str) -> Callable[[Command], Command]:
    return click.option(
        flag,
        envvar="DNATCTL_" + flag.strip("-").replace("-", "_").upper(),
        default=usual,
        show_default=True,
        type=_BindAddress(),
        show_envvar=True,
        help=what,
    )


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@_bind_option(
    "--metrics-bind-address",
    ":8080",
    "Where /metrics is served; 0: nowhere.",
)
@click.option(
    "--metrics-cert-folder",
    envvar="DNATCTL_METRICS_CERT_FOLDER",
    type=click.Path(path_type=Path),
    show_envvar=True,
    help="Folder with tls.crt and tls.key (a mounted Secret, followed as it is rotated): metrics "
    "are served by TLS.",
)
@click.option(
    "--metrics-token-review/--no-metrics-token-review",
    envvar="DNATCTL_METRICS_TOKEN_REVIEW",
    default=False,
    show_default=True,
    show_envvar=True,
    help="Serve metrics only to whom the API server lets get /metrics, by the token that comes "
    "with the request. Needs --metrics-cert-folder, or every token would be read on its way.",
)
@_bind_option(
    "--health-probe-bind-address",
    ":8081",
    "Where /healthz, /livez and /readyz are served; 0: nowhere.",
)
@_bind_option(
    "--status-bind-address",
    f"127.0.0.1:{STATUS_PORT}",
    "Where /status is served, which names pods: commands reach it by a port-forward; 0: nowhere.",
)
@click.option(
    "--leader-elect/--no-leader-elect",
    envvar="DNATCTL_LEADER_ELECT",
    default=True,
    show_default=True,
    show_envvar=True,
    help="Wait for the Lease, or take it at once: then run one replica only, and update it with "
    "strategy Recreate, as for a second after the start the one before may still write.",
)
@click.option(
    "--concurrent-syncs",
    envvar="DNATCTL_CONCURRENT_SYNCS",
    default=4,
    show_default=True,
    type=click.IntRange(1, 64),
    show_envvar=True,
    help="Workers: so many wait for the API server's answers at a time. More help where it is slow "
    "to answer; one of them thinks at a time.",
)
@click.option(
    "--log-level",
    envvar="DNATCTL_LOG_LEVEL",
    default="info",
    show_default=True,
    type=click.Choice(list(LEVELS)),
    show_envvar=True,
    help="Least severe level logged; `dnatctl log-level` sets another one for a while.",
)
@click.option(
    "--log-format",
    envvar="DNATCTL_LOG_FORMAT",
    default="json",
    show_default=True,
    type=click.Choice(["json", "console"]),
    show_envvar=True,
    help="Form of log lines.",
)
@click.option(
    "--dry-run",
    envvar="DNATCTL_DRY_RUN",
    is_flag=True,
    show_envvar=True,
    help="Log what would be done, and do nothing.",
)
def run(**flags: Any) -> None:
    """Run the controller."""
    if flags["metrics_token_review"] and not flags["metrics_cert_folder"]:
        raise click.UsageError("--metrics-token-review needs --metrics-cert-folder")
    from dnatctl.cli.running import Flags, run_controller

    run_controller(Flags(**flags))
