"""`dnatctl explain`: why a pod is, or is not, reachable."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click

from dnatctl.cli.asking import Asking, asking, colours, give_document, now
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Key
from dnatctl.orders import pod_of
from dnatctl.status.explain import Explanation, explain
from dnatctl.status.facts import Lead, PodFacts, rules_of
from dnatctl.status.links import Link, LinkState
from dnatctl.status.table import printable

if TYPE_CHECKING:
    from dnatctl.objects import PodDNAT

SIGNS = {LinkState.GOOD: "✓", LinkState.WAITS: "…", LinkState.WRONG: "✗", LinkState.UNKNOWN: "?"}
COLOURS = {
    LinkState.GOOD: "green",
    LinkState.WAITS: "yellow",
    LinkState.WRONG: "red",
    LinkState.UNKNOWN: "blue",
}


@click.command("explain")
@click.argument("pod")
@asking(all_namespaces=False)
def explain_(it: Asking, pod: str) -> None:
    """Follow POD from its annotations to the public address, and say what it hangs on.

    POD is a name, pod/NAME, NAMESPACE/NAME or pod/NAMESPACE/NAME. It works for pods that dnatctl
    never heard of. Exits with 1 if the pod is not reachable, or that is not known for sure.
    """
    try:
        namespace, name = pod_of(pod)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    key = Key(namespace or it.namespace, name)
    found = explain(_facts(it, key))
    if it.output in ("json", "yaml"):
        links = [asdict(link) for link in found.links]
        document = {"pod": str(key), "reachable": found.reachable, "links": links}
        give_document(it.output, document | {"sentence": found.sentence})
    else:
        click.echo("\n".join(_lines(found)))
    sys.exit(0 if found.reachable else 1)


def _lines(found: Explanation) -> Iterator[str]:
    wide = max(len(link.name) for link in found.links)
    for link in found.links:
        yield f"{_sign(link)} {link.name.ljust(wide)}  {printable(link.text)}{_since(link)}"
    yield ""
    yield printable(found.sentence)


def _since(link: Link) -> str:
    return f"  (since {printable(link.since)})" if link.since else ""


def _sign(link: Link) -> str:
    sign = SIGNS[link.standing]
    return click.style(sign, fg=COLOURS[link.standing]) if colours() else sign


def _facts(it: Asking, key: Key) -> PodFacts:
    from dnatctl.kube.around_pod import look

    around = look(it.client, key)
    status = it.status_if_told("the cluster's objects")
    served, record = _record(it, key)
    lead, problem = _lead(it)
    return PodFacts(
        key=key,
        now=now(),
        pod=around.pod,
        annotations=around.annotations,
        labels=around.labels,
        owners=around.owners,
        record=record,
        served=served,
        lead=lead,
        lead_problem=problem,
        status=status,
        rules=rules_of(status, partial(_labels, it)),
    )


def _labels(it: Asking, namespace: str) -> Mapping[str, str] | None:
    """Those of the namespace; None where they may not be read."""
    from dnatctl.kube.namespaces import labels_now

    try:
        return labels_now(it.client, namespace)
    except KubeError:
        return None


def _record(it: Asking, key: Key) -> tuple[bool, PodDNAT | None]:
    """Whether the cluster serves PodDNATs, and the pod's."""
    from dnatctl.kube.poddnats import PodDNATApi, Served, served_version

    try:
        version = served_version(it.client)
    except KubeError as error:
        if error.failure is Failure.NOT_FOUND:
            return False, None
        raise
    return True, PodDNATApi(it.client, Served(it.client, version)).get(key)


def _lead(it: Asking) -> tuple[Lead | None, str]:
    """The Lease as it stands, and why it cannot be seen."""
    try:
        _, lease = it.lease()
    except KubeError as error:
        return None, str(error)
    if lease is None:
        return None, ""
    return Lead(lease.holder, lease.renew_time, lease.silent(now())), ""
