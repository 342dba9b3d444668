"""What is known of one pod and of who serves it, for `dnatctl explain`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from ipaddress import IPv4Network

from dnatctl.config import LabelSelector, Namespaces
from dnatctl.model import MOST_PORTS, PortRange
from dnatctl.objects import Key, Pod, PodDNAT
from dnatctl.plan.exposure import Rules
from dnatctl.status.document import RulesInForce, StatusDocument
from dnatctl.status.near import OwnerNotes


@dataclass(frozen=True, slots=True)
class Lead:
    """The controller's Lease as it stands in the cluster. `silent`: it has not been renewed for so
    long that its holder is taken to be dead."""

    holder: str
    renewed: str
    silent: bool = False


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod. `pod` as dnatctl reads it, `annotations` and `labels` all it has.

    `served`: the cluster has PodDNATs. `lead_problem`: why nothing is known of the Lease.
    `status`: the leader's word, None where it did not answer.
    """

    key: Key
    now: datetime
    pod: Pod | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: tuple[OwnerNotes, ...] = ()
    record: PodDNAT | None = None
    served: bool = True
    lead: Lead | None = None
    lead_problem: str = ""
    status: StatusDocument | None = None
    rules: Rules = field(default_factory=Rules)


def rules_of(
    status: StatusDocument | None,
    labels: Callable[[str], Mapping[str, str] | None] = lambda _: None,
) -> Rules:
    """The configuration's rules as the leader tells them; those that forbid least without it.

    `labels`: of a namespace, asked for only where they decide; None where nobody tells: then they
    are taken for allowed.
    """
    if status is None:
        return Rules(max_ports=MOST_PORTS)
    told = status.rules
    return Rules(
        denial=partial(_denial, told, labels),
        networks=tuple(map(IPv4Network, told.vpc_cidrs)),
        stateful_kinds=frozenset(told.stateful_kinds),
        max_ports=told.max_ports_per_pod,
        denied_ports=tuple(map(PortRange.read, told.denied_ports)),
    )


def _denial(
    told: RulesInForce, labels: Callable[[str], Mapping[str, str] | None], namespace: str
) -> str:
    selector = LabelSelector.parse(told.selector) if told.selector else None
    rules = Namespaces(allow=told.allow, deny=told.deny, selector=selector)
    if not rules.needs_labels(namespace):
        return rules.denial(namespace)
    known = labels(namespace)
    return rules.denial(namespace, known) if known is not None else ""
