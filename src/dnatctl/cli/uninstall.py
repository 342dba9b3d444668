"""`dnatctl uninstall`: takes everything of ours out of the cloud and the cluster."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dnatctl.amounts import amount
from dnatctl.cli.asking import aside, failure, say
from dnatctl.cli.gc import DELETE_S, TAKES_THE_LEASE
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
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.observe.logs import configure
from dnatctl.observe.metrics import CONTROLLER

if TYPE_CHECKING:
    # Loaded by what needs them: a controller's parts cost half a second.
    from dnatctl.control.tools.collector import Collector
    from dnatctl.control.tools.uninstall import Survey
    from dnatctl.kube.client import KubeClient
    from dnatctl.kube.leftovers import Leftovers
    from dnatctl.kube.poddnats import Served

ELSEWHERE = "kube-system"
"""Where the Lease is taken if the controller's namespace is gone, and with it its Lease."""

MANIFESTS = (
    "on purpose: what the manifests made; `helm uninstall dnatctl -n {0}`, or "
    "`kubectl delete -k manifests/overlays/default --ignore-not-found`, takes that away"
)
DEFINITION = "on purpose: the definition of PodDNATs; --crd takes it away as well"


@click.command()
@config_option
@kubeconfig_option
@namespace_option
@click.option("--yes", is_flag=True, help="Do it; without, it is only shown what would be done.")
@click.option("--crd", is_flag=True, help="Delete the definition of PodDNATs as well.")
@click.option(
    "--keep-entries",
    is_flag=True,
    help="Leave the entries in the cloud and free all PodDNATs all the same: for a cloud account "
    "that is gone, or entries that another program takes on.",
)
@timeout_option(30.0)
def uninstall(
    config_file: Path,
    kubeconfig: Path | None,
    namespace: str | None,
    yes: bool,
    crd: bool,
    keep_entries: bool,
    timeout: float,
) -> None:
    """Take everything of dnatctl out of the cloud and the cluster, or say what is left and why.

    Deletes the forward entries with this cluster's mark, frees and deletes the PodDNATs, takes
    condition and annotation off pods, and removes the ledger and the Lease. Pods lose their public
    addresses. What other programs made is left alone. Shows what it would do, unless --yes is
    given. The controller has to be stopped first; whatever state namespaces and definition are in,
    nothing stays stuck. Exits with 1 if something is left that should not be.
    """
    from dnatctl.control.settings import Settings
    from dnatctl.control.tools.collector import Collector
    from dnatctl.control.tools.uninstall import Uninstaller
    from dnatctl.kube.leftovers import Leftovers
    from dnatctl.kube.poddnats import VERSIONS

    config = load_config(config_file)
    configure("error", "console")
    client = connect(kubeconfig, 4)
    try:
        place = namespace or own_namespace(client)
        settings = Settings(config, place, own_identity("dnatctl-uninstall"))
        served = _served(client)
        leftovers = Leftovers(client, place, served)
        if not leftovers.is_there():
            settings = replace(settings, namespace=ELSEWHERE)
        cloud = connect_cloud(config, provider_for(config))
        version = served.version if served else VERSIONS[0]
        with Collector(settings, client, cloud, version, everything=True) as collector:
            work = Uninstaller(leftovers, None if keep_entries else collector)
            found = work.survey(timeout)
            _show(found)
            if not yes:
                say("nothing was changed: --yes does it")
                return
            if why := _occupied(leftovers, collector, place, timeout):
                aside(why)
                sys.exit(1)
            found = work.survey(timeout)  # nobody else writes from now on
            left = work.remove(found, timeout + DELETE_S)
            if left and (unsaid := collector.hand_over(timeout)):  # a controller may follow
                left.append(unsaid)
        if not left:
            leftovers.strike_lease(settings.namespace, CONTROLLER)
            if crd:
                leftovers.strike_definition()
        sys.exit(_conclude(left, found, place, crd=crd or served is None))
    except (CloudError, KubeError, TimeoutError, ValueError) as error:
        raise failure(error) from error


def _served(client: KubeClient) -> Served | None:
    """None where there is no definition of PodDNATs. Raises KubeError where there is or may be, and
    they are not served (just now): nobody would take their finalizers off afterwards."""
    from dnatctl.kube import definition
    from dnatctl.kube.poddnats import Served, served_version

    try:
        return Served(client, served_version(client))
    except KubeError as error:
        if error.failure is not Failure.NOT_FOUND or definition.is_there(client):
            raise
    return None


def _occupied(leftovers: Leftovers, collector: Collector, place: str, timeout: float) -> str:
    """Why nothing may be done: a controller is at work, or is to be."""
    stop = "stop the controller first: kubectl -n {} scale deployment {} --replicas=0"
    if wanted := leftovers.scaled_up():
        return stop.format(place, " ".join(wanted))
    aside(TAKES_THE_LEASE)
    if holder := collector.lead(timeout):
        return f"{holder} holds the Lease; " + stop.format(place, CONTROLLER)
    return ""


def _show(found: Survey) -> None:
    for orphan, entry in found.rows:
        external = f"{entry.external_ip}:{entry.external_ports}/{entry.protocol}"
        internal = f"{entry.internal_ip}:{entry.internal_ports}"
        say(f"entry    {orphan.gateway_id} {entry.entry_id} {external} to {internal}")
    for record in found.records:
        say(f"PodDNAT  {record.key}")
    for pod in found.pods:
        say(f"pod      {pod.key}: condition or annotation")
    for name in found.ledger:
        say(f"ledger   {name}")
    for record, why in found.kept:
        say(f"kept     PodDNAT {record.key}: {why}")
    for orphan, entry in found.doubtful:
        say(
            f"kept     entry {orphan.gateway_id} {entry.entry_id}: it may be another cluster's, "
            "with the same clusterID; `dnatctl gc` shows and deletes it"
        )


def _conclude(left: list[str], found: Survey, place: str, *, crd: bool) -> int:
    """Tell what is gone and what is left; the exit status."""
    if not left:
        rows, pods = amount(len(found.rows), "entry", "entries"), amount(len(found.pods), "pod")
        say(f"{rows}, {amount(len(found.records), 'PodDNAT')} gone, {pods} cleaned")
    for each in left:
        aside(f"left     {each}")
    if left:
        aside("left     the ledger and the Lease, until the rest is gone")
    say(f"left     {MANIFESTS.format(place)}")
    if not crd:
        say(f"left     {DEFINITION}")
    return 1 if left else 0
