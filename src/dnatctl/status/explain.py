"""From annotation to reachable: the chain of one pod, link by link, and what it hangs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from ipaddress import IPv4Network

from dnatctl.config import LabelSelector, Namespaces
from dnatctl.model import MOST_PORTS, PortRange
from dnatctl.objects import POD_READY, READY, Condition, Key, Pod, PodDNAT
from dnatctl.orders import Orders
from dnatctl.plan.exposure import SWITCH, Ask, Exposure, Rules, read_exposure
from dnatctl.plan.reasons import REASONS
from dnatctl.status.document import PortStatus, RulesInForce, State, StatusDocument
from dnatctl.status.near import OwnerNotes, misses
from dnatctl.times import parse_time


class LinkState(StrEnum):
    """How a link of the chain stands."""

    GOOD = "ok"
    WAITS = "waits"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Link:
    """One link. `mend`: what to do, a whole sentence. `since`: RFC 3339, "" if not known.

    `reason`: the one of `REASONS` that is told of the pod, which has a mend of its own.
    """

    name: str
    standing: LinkState
    text: str
    mend: str = ""
    since: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Lead:
    """The controller's Lease as it stands in the cluster."""

    holder: str
    renewed: str
    duration_s: float


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


@dataclass(frozen=True, slots=True)
class Explanation:
    """The links in order, up to and with the first that does not hold, and the end of it all.

    A pause holds up nothing that is there: the chain goes on behind it.
    """

    links: tuple[Link, ...]
    sentence: str

    @property
    def reachable(self) -> bool:
        """Whether the chain holds to its end."""
        return all(link.standing is LinkState.GOOD for link in self.links if not _pauses(link))


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


def explain(facts: PodFacts) -> Explanation:
    """The chain; it ends in one sentence that names the mend."""
    exposure = read_exposure(facts.pod, facts.rules)
    links: list[Link] = []
    for check in _CHAIN:
        link = check(facts, exposure)
        links.append(link)
        if link.standing in _BROKEN and not _pauses(link):
            break
    return Explanation(tuple(links), _end(facts, links))


_BROKEN = (LinkState.WRONG, LinkState.WAITS)
_ORDERS = "orders"
_BY_ITSELF = "It goes on by itself: dnatctl status shows what waits, and for what"


def _pauses(link: Link) -> bool:
    return link.name == _ORDERS and link.standing is LinkState.WAITS


def _end(facts: PodFacts, links: list[Link]) -> str:
    """What the last link says; and a pause, where it has not said that itself."""
    first, last = links[0], links[-1]
    paused = f" {_stop(first.text)}" if _pauses(first) and last.reason != "Paused" else ""
    if last.standing in _BROKEN:
        return _sentence(last, moves=not paused) + paused
    return _happy_end(facts, links) + paused


def _sentence(link: Link, *, moves: bool) -> str:
    """`moves`: what waits goes on by itself, if nothing is to be done about it."""
    known = REASONS.get(link.reason)
    mend = link.mend or (known.mend if known else "")
    if not mend and moves and link.standing is LinkState.WAITS and (known or not link.reason):
        mend = _BY_ITSELF
    return " ".join(_stop(text) for text in (link.text, mend) if text)


def _stop(text: str) -> str:
    """As a sentence ends."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _happy_end(facts: PodFacts, links: list[Link]) -> str:
    entries = facts.record.status.entries if facts.record else ()
    where = ", ".join(f"{e.endpoint} leads to port {e.internal_port}" for e in entries)
    doubt = any(link.standing is LinkState.UNKNOWN for link in links)
    sure = ", as far as the cluster's objects tell" if doubt else ""
    return (
        f"Reachable{sure}: {where}. Where nobody gets through all the same, look at the security"
        " group of the pod (inbound, that port) and at whether the program listens on 0.0.0.0."
    )


# --- the links


def _exists(facts: PodFacts, exposure: Exposure) -> Link:
    pod, record = facts.pod, facts.record
    if pod is None and record is None:
        return Link(
            "pod",
            LinkState.WRONG,
            f"There is no pod {facts.key.name} in namespace {facts.key.namespace}",
            f"Look for it: kubectl get pods -A | grep {facts.key.name}",
        )
    if pod is None or exposure.ask is Ask.ENDED:
        what = "is gone" if pod is None else "has ended"
        if record is None:
            return Link("pod", LinkState.WRONG, f"The pod {what}, and nothing of its is left")
        return _away(what, record)
    return Link("pod", LinkState.GOOD, f"{pod.phase or 'Pending'} on {pod.node or 'no node yet'}")


def _away(what: str, record: PodDNAT) -> Link:
    ready = record.status.condition(READY)
    why = f": {ready.message}" if ready and ready.message else ""
    since, reason = (ready.since, ready.reason) if ready else ("", "")
    text = f"The pod {what}; its PodDNAT is still there{why}"
    return Link("pod", LinkState.WAITS, text, since=since, reason=reason)


def _asks(facts: PodFacts, exposure: Exposure) -> Link:
    if exposure.problem is not None and not exposure.ports:
        return Link("annotations", LinkState.WRONG, _upper(exposure.problem.text).rstrip("."))
    if exposure.ask is not Ask.OFF:
        return Link("annotations", LinkState.GOOD, _asked(exposure))
    found = list(misses(facts.annotations, facts.labels, facts.owners))
    if found:
        text = "The pod does not ask to be exposed, though somebody seems to have meant it"
        mend = " ".join(_stop(_upper(each)) for each in found)
        return Link("annotations", LinkState.WRONG, text, mend)
    if facts.annotations.get(SWITCH) == "false":
        text, mend = f'{SWITCH} is "false": that turns the exposure off', 'Set it to "true"'
        return Link("annotations", LinkState.WRONG, text, mend)
    if owner := _asking_template(facts):
        text = (
            f"The pod does not ask to be exposed. The template of {owner.kind} {owner.name} does:"
            " the pod is older than that"
        )
        mend = "Delete the pod, so that it is made anew; or annotate the pod itself too"
        return Link("annotations", LinkState.WRONG, text, mend)
    return Link(
        "annotations",
        LinkState.WRONG,
        "The pod does not ask to be exposed",
        'Annotate it: k8s.aliyun.com/pod-dnat: "true" and k8s.aliyun.com/pod-dnat-expose-port: "80"'
        " (on a workload: under spec.template.metadata.annotations).",
    )


def _asking_template(facts: PodFacts) -> OwnerNotes | None:
    """The owner that would give the pod the switch, were it made now."""
    return next((o for o in facts.owners if (o.template or {}).get(SWITCH) in ("", "true")), None)


def _asked(exposure: Exposure) -> str:
    ports = ", ".join(f"{port}/{protocol}" for port, protocol in exposure.ports)
    fixed = ", kept for its name (fixed)" if exposure.fixed else ""
    but = "".join(f"; but {remark.text}" for remark in exposure.remarks)
    return f"asks for {ports}{fixed}{but}"


def _allowed(facts: PodFacts, exposure: Exposure) -> Link:
    if exposure.problem is not None:
        problem = exposure.problem
        return Link("rules", LinkState.WRONG, _upper(problem.text), reason=problem.reason)
    if facts.status is None:
        return Link("rules", LinkState.UNKNOWN, "the leader was not asked which namespaces may")
    return Link("rules", LinkState.GOOD, "the configuration allows it")


def _orders(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    if facts.status is None:
        return Link(_ORDERS, LinkState.UNKNOWN, "the leader was not asked what is paused")
    gateway_id = facts.record.spec.gateway_id if facts.record else ""
    order = Orders(facts.status.orders).paused(gateway_id, facts.key)
    if order is not None:
        return Link(_ORDERS, LinkState.WAITS, f"Nothing is changed: {order}", since=order.since)
    return Link(_ORDERS, LinkState.GOOD, "nothing is paused")


def _address(facts: PodFacts, exposure: Exposure) -> Link:
    del facts
    if exposure.ask is Ask.NO_ADDRESS:
        text = "The pod has no IP yet: it is given one when it is scheduled and its network is up"
        return Link(
            "address", LinkState.WAITS, text, "See kubectl describe pod for what holds it up."
        )
    return Link("address", LinkState.GOOD, f"pod IP {exposure.ip}")


def _crd(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    if not facts.served:
        text = (
            "The cluster serves no PodDNATs that dnatctl can read: their CRD is missing or another"
        )
        mend = (
            "Install it: kubectl apply --server-side --force-conflicts -f"
            " manifests/chart/crds/poddnats.yaml (Kubernetes before 1.25: -k manifests/crd)."
        )
        return Link("CRD", LinkState.WRONG, text, mend)
    return Link("CRD", LinkState.GOOD, "PodDNATs are served")


def _controller(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    lead = facts.lead
    if facts.lead_problem:
        return Link("controller", LinkState.UNKNOWN, f"its Lease: {facts.lead_problem}")
    mend = "See kubectl get pods -A -l app.kubernetes.io/name=dnatctl, and their logs."
    if lead is None:
        elsewhere = (
            "Or is it in a namespace other than dnatctl-system and kube-system? Then name that:"
            " --controller-namespace."
        )
        text = "No controller has ever run here"
        return Link("controller", LinkState.WRONG, text, f"{mend} {elsewhere}")
    renewed = parse_time(lead.renewed)
    if not lead.holder:
        return Link("controller", LinkState.WRONG, "No controller leads", mend, lead.renewed)
    if renewed is None or facts.now - renewed > timedelta(seconds=2 * lead.duration_s):
        text = f"The controller {lead.holder} has not renewed its Lease since {lead.renewed}"
        return Link("controller", LinkState.WRONG, text, mend, lead.renewed)
    if facts.status is not None and not facts.status.ready:
        why = "; ".join(facts.status.waits_for) or "it is starting"
        text = f"The controller is not ready: {why}"
        mend = "dnatctl check --online says whether cloud or cluster refuses it something."
        return Link("controller", LinkState.WAITS, text, mend)
    return Link("controller", LinkState.GOOD, f"{lead.holder} leads")


def _claim(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    record = facts.record
    if record is None or not record.spec.ports:
        return _no_claim(facts)
    if record.problem:
        text = f"The PodDNAT cannot be understood: {record.problem}"
        mend = (
            f"kubectl delete poddnat -n {record.key.namespace} {record.key.name}: it is made anew."
        )
        return Link("claim", LinkState.WRONG, text, mend)
    spec = record.spec
    ports = ", ".join(f"{p.external}->{p.internal}/{p.protocol}" for p in spec.ports)
    text = f"{spec.external_ip} {ports} on {spec.gateway_id}"
    if record.deleting:
        told = _told(facts)
        reason = told.reason if told else ""
        text = f"The claim to {text} is being released"
        return Link("claim", LinkState.WAITS, text, reason=reason)
    return Link("claim", LinkState.GOOD, text, since=record.created)


def _no_claim(facts: PodFacts) -> Link:
    for waiter in facts.status.waiting if facts.status else ():
        if waiter.pod == str(facts.key):
            text, reason = _upper(waiter.message), waiter.reason
            return Link("claim", LinkState.WAITS, text, since=waiter.since, reason=reason)
    told = facts.pod.condition if facts.pod else None
    if told is not None and told.status != "True":
        text, reason = _upper(told.message), told.reason
        return Link("claim", LinkState.WAITS, text, since=told.since, reason=reason)
    return Link("claim", LinkState.WAITS, "Nothing is claimed for the pod yet")


def _entries(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    record = facts.record
    assert record is not None
    if facts.status is None:
        return Link("entries", LinkState.UNKNOWN, "no leader was asked how its table stands")
    ports = [port for port in _ports(facts.status) if port.uid == record.uid]
    waits = [port for port in ports if port.state is not State.USED]
    if not waits and ports:
        rows = ", ".join(dict.fromkeys(port.entry for port in ports if port.entry))
        return Link("entries", LinkState.GOOD, f"Available: {rows}")
    told = _told(facts)
    backlog = _backlog(facts.status, record.spec.gateway_id)
    text = f"{len(waits)} of {len(ports)} entries are not usable yet; {backlog}"
    if told is not None and told.status != "True" and told.message:
        text, reason = f"{_upper(told.message)} ({text})", told.reason
        return Link("entries", LinkState.WAITS, text, since=told.since, reason=reason)
    return Link("entries", LinkState.WAITS, text)


def _ports(status: StatusDocument) -> Iterator[PortStatus]:
    for gateway in status.gateways:
        for eip in gateway.eips:
            yield from eip.ports


def _backlog(status: StatusDocument, gateway_id: str) -> str:
    found = (gateway for gateway in status.gateways if gateway.id == gateway_id)
    gateway = next(found, None)
    if gateway is None:
        return f"{gateway_id} is not in the configuration any more"
    return f"{gateway.table.backlog} writes wait for the table of {gateway_id}"


def _told(facts: PodFacts) -> Condition | None:
    ready = facts.record.status.condition(READY) if facts.record else None
    return ready or (facts.pod.condition if facts.pod else None)


def _published(facts: PodFacts, exposure: Exposure) -> Link:
    record = facts.record
    assert record is not None
    told, wanted = _told(facts), len(exposure.ports)
    listed = len(record.status.entries)
    if listed < wanted:
        why = f": {told.message}" if told and told.message else ""
        since, reason = (told.since, told.reason) if told else ("", "")
        text = f"{listed} of {wanted} ports are usable{why}"
        return Link("status", LinkState.WAITS, text, since=since, reason=reason)
    since = told.since if told else ""
    return Link(
        "status", LinkState.GOOD, f"listed as usable: {wanted} of {wanted} ports", since=since
    )


def _gate(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    condition = facts.pod.condition if facts.pod else None
    if condition is None:
        return Link(POD_READY, LinkState.GOOD, "the pod has no such condition: nobody waits for it")
    if condition.status != "True":
        text, reason = _upper(condition.message), condition.reason
        return Link(POD_READY, LinkState.WAITS, text, since=condition.since, reason=reason)
    return Link(POD_READY, LinkState.GOOD, condition.message, since=condition.since)


_CHAIN: tuple[Callable[[PodFacts, Exposure], Link], ...] = (
    _orders,
    _exists,
    _asks,
    _allowed,
    _address,
    _crd,
    _controller,
    _claim,
    _entries,
    _published,
    _gate,
)


def _upper(text: str) -> str:
    """As a sentence begins; an ID stays as it is."""
    first, _, _ = text.partition(" ")
    start = text[:1].upper() if first.isalpha() else text[:1]
    return start + text[1:].rstrip(".")
