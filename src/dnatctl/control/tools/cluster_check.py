"""`dnatctl check --online` and the cluster: the CRD, RBAC verbs, who leads, what is misplaced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from dnatctl.config import Config
from dnatctl.kube import access, definition, misplaced, paths
from dnatctl.kube.client import KubeClient
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.lease_record import LeaseRecord
from dnatctl.kube.poddnats import served_version
from dnatctl.observe.metrics import CONTROLLER
from dnatctl.status.findings import Finding, fail, note, ok
from dnatctl.status.near import misses

CLUSTER: Final = "cluster"
KEEP: Final = "kubectl annotate crd poddnats.alibabacloud.com helm.sh/resource-policy=keep"
GRANT: Final = "grant it (manifests/base/rbac.yaml)"


def look_at_cluster(
    client: KubeClient, config: Config, namespace: str, now: datetime
) -> Iterator[Finding]:
    """All that the controller needs of the cluster; `namespace` is the one it runs in.

    Permissions are those of the account that asks: use the controller's, or run this in its pod.
    """
    try:
        version = served_version(client)
    except KubeError as error:
        mend = f"install it: {definition.MEND}" if error.failure is Failure.NOT_FOUND else _REACH
        yield fail(CLUSTER, f"PodDNATs: {error}", mend)
        return
    yield ok(CLUSTER, f"PodDNATs are served as {version}")
    for look in (
        _definition(client),
        _permissions(client, config, namespace),
        _leader(client, namespace, now),
        _workloads(client, config),
    ):
        try:
            yield from look
        except KubeError as error:
            yield fail(CLUSTER, str(error), _REACH)


_REACH: Final = "see whether the API server answers, and to this account"


def _definition(client: KubeClient) -> Iterator[Finding]:
    """The live CRD beside ours."""
    try:
        found = definition.look(client)
    except KubeError as error:
        if error.failure is Failure.FORBIDDEN:
            return  # told with the other permissions
        raise
    if found.going:
        yield fail(CLUSTER, "the CRD is being deleted", "once it is gone, install it again")
    if found.lacks:
        mend = f"put dnatctl's in its place, no PodDNAT is lost: {definition.MEND}"
        yield fail(CLUSTER, f"the CRD is not dnatctl's, it lacks {', '.join(found.lacks)}", mend)
    if not found.kept:
        yield fail(CLUSTER, "a chart that drops the CRD deletes all PodDNATs", KEEP)
    if found.release:
        goes = (
            f"helm uninstall of {found.release} deletes the CRD and all PodDNATs, annotated or not"
        )
        yield fail(CLUSTER, goes, "make Helm forget that release, as docs/migrate.md says")
    if found.fine:
        yield ok(CLUSTER, "the CRD is as dnatctl needs it")


def _permissions(client: KubeClient, config: Config, namespace: str) -> Iterator[Finding]:
    kinds, publish = config.custom_stateful_workload_kinds, config.publish
    for kind in access.unserved(client, kinds):
        text = f"customStatefulWorkloadKinds: {kind}: no API of the cluster has it"
        yield fail(CLUSTER, text, "install what serves it, or take it out")
    asked = access.needed(
        client,
        kinds,
        namespace,
        condition=publish.condition is True,
        annotation=publish.annotation,
        labels=config.namespaces.selector is not None,
        listed=config.namespaces.listed(),
    )
    for leave, may in asked:
        if may:
            yield ok(CLUSTER, f"may {leave}")
        else:
            yield fail(CLUSTER, f"may not {leave}: {leave.cost}", GRANT)


def _leader(client: KubeClient, namespace: str, now: datetime) -> Iterator[Finding]:
    """Who leads. That nobody does is no fault where the controller is still to be installed."""
    path = paths.in_namespace("coordination.k8s.io/v1", namespace, "leases", CONTROLLER)
    try:
        lease = LeaseRecord.read(client.request("GET", path))
    except KubeError as error:
        if error.failure is Failure.FORBIDDEN:
            return
        if error.failure is not Failure.NOT_FOUND:
            raise
        yield note(CLUSTER, f"no controller leads: no Lease {CONTROLLER} in {namespace}", _START)
        return
    if not lease.holder:
        yield note(CLUSTER, f"no controller leads since {lease.renew_time}", _START)
    elif lease.silent(now):
        text = f"{lease.holder} holds the Lease and has not renewed it since {lease.renew_time}"
        yield fail(CLUSTER, text, f"see to its pod: kubectl -n {namespace} get pods")
    else:
        yield ok(CLUSTER, f"{lease.holder} leads")


_START: Final = "start it, once all else is right"


def _workloads(client: KubeClient, config: Config) -> Iterator[Finding]:
    """Workloads that carry an annotation of ours on themselves, and not on their template."""
    found = misplaced.look(client, config.custom_stateful_workload_kinds)
    for each in found.workloads:
        for text in misses({}, {}, (each.notes,)):
            yield note(CLUSTER, f"in namespace {each.namespace}: {text}")
    if found.more:
        yield note(CLUSTER, "and more of them")
    for resource in found.unseen:
        text = f"{resource} were not looked at for annotations in the wrong place"
        yield note(CLUSTER, text, f"ask with an account that may list {resource}")
