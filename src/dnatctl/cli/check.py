"""`dnatctl check`: is the configuration good, and does it fit the world?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dnatctl.cli.options import (
    config_option,
    connect,
    connect_cloud,
    credential_source,
    kubeconfig_option,
    load_config,
    provider_for,
)
from dnatctl.cloud.errors import CloudError
from dnatctl.config import Config
from dnatctl.kube.errors import KubeError
from dnatctl.model import Gateway

KEEP = "kubectl annotate crd poddnats.alibabacloud.com helm.sh/resource-policy=keep"

if TYPE_CHECKING:
    from dnatctl.cloud.api import CloudApi
    from dnatctl.kube.client import KubeClient


@click.command()
@config_option
@kubeconfig_option
@click.option("--online", is_flag=True, help="Also ask the cloud and the cluster.")
def check(config_file: Path, kubeconfig: Path | None, online: bool) -> None:
    """Check the configuration; with --online also credentials, gateways, EIPs, the CRD and what
    this account may do in the cluster: use the controller's.

    Changes nothing. Exits with 2 for a bad configuration, 1 if something online is not right.
    """
    config = load_config(config_file)
    credential_source(config)
    click.echo(f"ok    configuration {config_file}: {len(config.gateways)} gateway(s)")
    if not online:
        return
    findings = [*_cloud(config), *_cluster(config, kubeconfig)]
    for good, text in findings:
        click.echo(f"{'ok   ' if good else 'FAIL '} {text}")
    sys.exit(0 if all(good for good, _ in findings) else 1)


Finding = tuple[bool, str]


def _cloud(config: Config) -> Iterator[Finding]:
    wanted = [gateway.gateway_id for gateway in config.gateways]
    try:
        cloud = connect_cloud(config, provider_for(config))
        described = {g.gateway_id: g for g in cloud.describe_gateways(wanted)}
    except CloudError as error:
        yield False, f"cloud: {error}"
        return
    yield True, f"cloud: credentials accepted in {config.region_id}"
    for configured in config.gateways:
        gateway = described[configured.gateway_id]
        yield from _gateway(gateway, configured.eips)
        if not gateway.problem:
            yield _table(cloud, gateway)


def _gateway(gateway: Gateway, wanted: tuple[str, ...]) -> Iterator[Finding]:
    if gateway.problem:
        yield False, f"{gateway.gateway_id}: {gateway.problem}"
        return
    yield True, f"{gateway.gateway_id}: table {gateway.table_id}, zone {gateway.zone_id}"
    bound = {eip.ip: eip for eip in gateway.eips}
    for ip in wanted or bound:
        eip = bound.get(ip)
        if eip is None:
            yield False, f"{gateway.gateway_id}: EIP {ip} is not bound to it"
        elif not eip.usable:
            yield False, f"{gateway.gateway_id}: EIP {ip}: {eip.problem}"
        else:
            shared = ", also serves SNAT" if eip.serves_snat else ""
            yield True, f"{gateway.gateway_id}: EIP {ip}{shared}"
    if not bound:
        yield False, f"{gateway.gateway_id}: no EIP is bound to it"


def _table(cloud: CloudApi, gateway: Gateway) -> Finding:
    try:
        page = cloud.read_page(gateway.table_id, 1)
    except CloudError as error:
        return False, f"{gateway.gateway_id}: {error}"
    return True, f"{gateway.gateway_id}: {page.total} forward entries"


def _cluster(config: Config, kubeconfig: Path | None) -> Iterator[Finding]:
    from dnatctl.kube.poddnats import served_version

    try:
        client = connect(kubeconfig, 2)
        version = served_version(client)
    except (KubeError, click.ClickException) as error:
        yield False, f"cluster: PodDNATs: {error}"
        return
    yield True, f"cluster: PodDNATs are served as {version}"
    try:
        yield from _definition(client)
        yield from _permissions(client, config)
    except KubeError as error:
        yield False, f"cluster: permissions: {error}"


def _definition(client: KubeClient) -> Iterator[Finding]:
    """The live CRD beside ours."""
    from dnatctl.kube import definition
    from dnatctl.kube.errors import Failure

    try:
        found = definition.look(client)
    except KubeError as error:
        if error.failure is Failure.FORBIDDEN:
            return  # told with the other permissions
        raise
    mend = f"put dnatctl's in its place, no PodDNAT is lost: {definition.MEND}"
    if found.going:
        yield False, "cluster: the CRD is being deleted: once it is gone, install it again"
    if found.lacks:
        yield False, f"cluster: the CRD is not dnatctl's, it lacks {', '.join(found.lacks)}: {mend}"
    if not found.kept:
        yield False, f"cluster: a chart that drops the CRD deletes all PodDNATs: {KEEP}"
    if found.fine:
        yield True, "cluster: the CRD is as dnatctl needs it"


def _permissions(client: KubeClient, config: Config) -> Iterator[Finding]:
    """Of the account that asks: use the controller's (or run this in its pod)."""
    from dnatctl.kube.access import needed, unserved

    kinds, condition = config.custom_stateful_workload_kinds, config.publish.condition
    for kind in unserved(client, kinds):
        yield False, f"cluster: customStatefulWorkloadKinds: {kind}: no API of the cluster has it"
    for leave, may in needed(client, kinds, condition=condition):
        yield may, f"cluster: may {'' if may else 'not '}{leave}{'' if may else ': ' + leave.cost}"
