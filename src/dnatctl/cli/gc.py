"""`dnatctl gc`: entries of this cluster that nothing claims."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dnatctl.cli.asking import aside, failure, say
from dnatctl.cli.options import (
    config_option,
    connect,
    connect_cloud,
    kubeconfig_option,
    load_config,
    namespace_option,
    own_identity,
    own_namespace,
    provider_for,
    timeout_option,
)
from dnatctl.cloud.errors import CloudError
from dnatctl.kube.errors import KubeError
from dnatctl.observe.logs import configure
from dnatctl.table.marks import is_tag

if TYPE_CHECKING:
    # Loaded by what needs them: a controller's parts cost half a second.
    from dnatctl.control.tools.collector import Collector
    from dnatctl.model import ForwardEntry
    from dnatctl.objects import Key
    from dnatctl.table.orphans import Orphan

DELETE_S = 15.0
"""Seconds within which one entry goes, whatever is deleted before it."""

TAKES_THE_LEASE = "taking the controller's Lease: half a minute, where somebody holds it"

TOLD = 10
"""Entries that are left of which each is told why: it is the same for most."""


def _tag(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """The tag, "" where none is given."""
    if value is not None and not is_tag(value):
        raise click.BadParameter("a tag has 8 characters of 0-9 and a-f")
    return value or ""


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.option(
    "--of",
    metavar="TAG",
    callback=_tag,
    help="Show and delete all entries of another cluster that had the same clusterID and is gone; "
    "its tag is in the message that tells of them.",
)
@click.option(
    "--living",
    is_flag=True,
    help="Delete also entries that lead to the living pod that they were made for. Whoever is "
    "connected to it by these is cut off.",
)
@timeout_option(30.0)
def gc(
    config_file: Path,
    kubeconfig: Path | None,
    namespace: str | None,
    yes: bool,
    of: str,
    living: bool,
    timeout: float,
) -> None:
    """Show the entries that carry this cluster's mark and that no PodDNAT claims; delete them.

    An entry is shown if two readings of its table list it and the API server, asked afresh, knows
    no PodDNAT that it belongs to. Entries without this cluster's mark are never shown or touched;
    those that an earlier version made may be another cluster's with the same clusterID: look well.
    Where a pod that lost its PodDNAT lives on, entries that were made for it still lead to it: they
    are shown with the pod's name, and kept unless --living is given.
    The controller deletes orphans by itself, unless its policy is upsert-only or there are too
    many of them; a table has one writer, so deleting by hand needs the controller stopped.
    """
    from dnatctl.control.settings import Settings
    from dnatctl.control.tools.collector import Collector
    from dnatctl.kube.poddnats import served_version

    config = load_config(config_file)
    configure("error", "console")
    client = connect(kubeconfig, 4)
    settings = Settings(config, namespace or own_namespace(client), own_identity("dnatctl-gc"))
    try:
        cloud = connect_cloud(config, provider_for(config))
        with Collector(settings, client, cloud, served_version(client), of=of) as collector:
            sys.exit(_collect(collector, yes=yes, living=living, timeout=timeout))
    except (CloudError, KubeError, TimeoutError, ValueError) as error:
        raise failure(error) from error


def _collect(collector: Collector, *, yes: bool, living: bool, timeout: float) -> int:
    found = collector.find(timeout)
    had = collector.had(found) if found else {}
    _show(found, had)
    doomed = [orphan for orphan, _ in found if living or orphan.entry_id not in had]
    if had and not living:
        say(f"{len(had)} lead to the living pod that they were made for: kept without --living")
    if not doomed:
        return 0
    if not yes and not click.confirm(f"Delete {len(doomed)} of these {len(found)} entries?"):
        return 0
    aside(TAKES_THE_LEASE)
    if holder := collector.lead(timeout):
        aside(f"{holder} holds the lease: stop the controller first")
        return 1
    left = collector.delete(doomed, timeout + DELETE_S)
    for orphan, why in left[:TOLD]:
        aside(f"{orphan.entry_id} of {orphan.gateway_id}: {why}")
    say(f"{len(doomed) - len(left)} deleted, {len(left)} left")
    if unsaid := collector.hand_over(timeout):
        aside(unsaid)
    return 1 if left or unsaid else 0


def _show(found: list[tuple[Orphan, ForwardEntry]], had: Mapping[str, Key]) -> None:
    if not found:
        say("no orphans")
        return
    line = "{:<24} {:<24} {:<28} {:<24} {:<36} {}"
    say(line.format("GATEWAY", "ENTRY", "EXTERNAL", "INTERNAL", "PODDNAT UID", "LIVING POD"))
    for orphan, entry in found:
        external = f"{entry.external_ip}:{entry.external_ports}/{entry.protocol}"
        internal = f"{entry.internal_ip}:{entry.internal_ports}"
        pod = str(had.get(entry.entry_id, "-"))
        say(line.format(orphan.gateway_id, entry.entry_id, external, internal, orphan.uid, pod))
