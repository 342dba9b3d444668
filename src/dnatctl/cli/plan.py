"""`dnatctl plan`: what would be done now, as a diff, changing nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from dnatctl.cli.asking import LIKELY, Asking, aside, failure, give, output_option, say
from dnatctl.cli.options import (
    config_option,
    connect,
    connect_cloud,
    kubeconfig_option,
    load_config,
    provider_for,
    timeout_option,
)
from dnatctl.cloud.errors import CloudError
from dnatctl.kube.errors import KubeError
from dnatctl.observe.logs import configure
from dnatctl.status.foreseen import Action, Foreseen

HEAD = ("", "POD", "WHAT", "DETAIL")
SIGNS = {
    Action.CREATE: "+",
    Action.CHANGE: "~",
    Action.DELETE: "-",
    Action.ADOPT: "=",
    Action.NONE: "!",
}
CHANGES = 3
"""Exit status where something would be done."""


@click.command()
@config_option
@kubeconfig_option
@click.option(
    "--namespace",
    envvar="POD_NAMESPACE",
    default="",
    show_envvar=True,
    help=f"Namespace of the Lease and the ledger. Default: {' or '.join(LIKELY)}.",
)
@output_option("table", "json", "yaml")
@timeout_option(60.0)
def plan(
    config_file: Path, kubeconfig: Path | None, namespace: str, output: str, timeout: float
) -> None:
    """Show what a controller with this configuration would do now, and change nothing.

    A line for each thing: + is created, ~ changed, - deleted, = adopted from an older controller; !
    says of a pod why nothing is done for it. What follows from that (entries of endpoints that are
    not claimed yet, for one) is not foreseen. It takes no Lease and works beside a controller: then
    it shows what is under way. Exits with 0 if nothing would be done, 3 if something would.
    """
    from dnatctl.control.settings import Settings
    from dnatctl.control.tools.forecast import Forecast
    from dnatctl.kube.poddnats import served_version

    config = load_config(config_file)
    configure("error", "console")
    client = connect(kubeconfig, 8)
    try:
        place, lease = Asking(client, "", output, "", 0, namespace).lease()
        settings = Settings(config, place or namespace or LIKELY[0], "dnatctl-plan")
        cloud = connect_cloud(config, provider_for(config))
        with Forecast(settings, client, cloud, served_version(client)) as forecast:
            found = forecast.look(lease.state if lease else "", timeout)
            notes = forecast.notes()
    except (CloudError, KubeError, TimeoutError, ValueError) as error:
        raise failure(error) from error
    _show(found, notes, output)
    sys.exit(CHANGES if any(each.changes for each in found) else 0)


def _show(found: list[Foreseen], notes: list[str], output: str) -> None:
    for note in notes:
        aside(f"note: {note}")
    document = {"plan": msgspec.to_builtins(found), "notes": notes}
    rows = [(SIGNS[each.action], each.pod or "-", each.what, each.detail) for each in found]
    if found or output != "table":
        give(output, document, HEAD, rows)
    if output == "table":
        counts = [(sum(e.action is action for e in found), action) for action in Action]
        told = [f"{count} to {action}" for count, action in counts if count and action != "none"]
        blocked = len({each.pod for each in found if not each.changes})
        told += [f"{blocked} with a problem"] if blocked else []
        say(", ".join(told) or "nothing to do")
