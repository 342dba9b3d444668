"""The links between a pod's annotations and its public address, each with whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from dnatctl.amounts import amount
from dnatctl.objects import POD_READY, READY, Condition, PodDNAT
from dnatctl.orders import Orders
from dnatctl.plan.exposure import SWITCH, Ask, Exposure, Problem
from dnatctl.status.document import PortStatus, State, StatusDocument
from dnatctl.status.facts import PodFacts
from dnatctl.status.near import OwnerNotes, misses

ORDERS = "orders"
"""Name of the link that a pause breaks."""

CONTROLLER = "controller"
"""Name of the link that is broken where nobody leads."""

ANNOTATIONS, RULES = "annotations", "rules"
REFUSALS = (ANNOTATIONS, RULES)
"""Names of the links that a refusal breaks."""

_STAYS: Final = {
    "InvalidAnnotation": "what leads to the pod stays meanwhile",
    "NamespaceDenied": "what leads to the pod is released after namespaces.grace",
    "PortDenied": "what leads to the pod stays",
}
"""By the reason of a refusal: what becomes of entries that are there. The other refusals say that
none can lead to the pod."""


class LinkState(StrEnum):
    """How a link of the chain stands."""

    GOOD = "ok"
    WAITS = "waits"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Link:
    """One link. `mend`: what to do, a whole sentence. `since`: RFC 3339, "" if not known.

    `reason`: the one of `REASONS` that is told of the pod, which has a mend of its own. `keeps`: it
    does not hold, and what the pod has leads to it all the same.
    """

    name: str
    standing: LinkState
    text: str
    mend: str = ""
    since: str = ""
    reason: str = ""
    keeps: bool = False


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
        return _away(facts, what, record)
    return Link("pod", LinkState.GOOD, f"{pod.phase or 'Pending'} on {pod.node or 'no node yet'}")


def _away(facts: PodFacts, what: str, record: PodDNAT) -> Link:
    text = f"The pod {what}; its PodDNAT is still there"
    if dead := _leaderless(facts):
        return Link("pod", LinkState.WRONG, f"{text}. {_unreleased(dead, record)}", dead.mend)
    ready = record.status.condition(READY)
    if ready is None or ready.status == "True":  # of when the pod was there
        return Link("pod", LinkState.WAITS, text)
    why = f": {ready.message}" if ready.message else ""
    return Link("pod", LinkState.WAITS, f"{text}{why}", since=ready.since, reason=ready.reason)


def _unreleased(dead: Link, record: PodDNAT) -> str:
    """What it means that nobody releases what is claimed."""
    text = f"{stop(dead.text)} Nothing is released until one leads"
    if not record.status.entries:
        return text
    open_ = ", ".join(str(entry.endpoint) for entry in record.status.entries)
    to = record.status.entries[0].internal_ip
    return f"{text}: {open_} is open and leads to {to}, which another pod may be given"


def _asks(facts: PodFacts, exposure: Exposure) -> Link:
    if exposure.problem is not None and not exposure.ports:
        return _refused(facts, ANNOTATIONS, exposure.problem, reason="")
    if exposure.ask is not Ask.OFF:
        return Link(ANNOTATIONS, LinkState.GOOD, _asked(exposure))
    found = list(misses(facts.annotations, facts.labels, facts.owners))
    if found:
        text = "The pod does not ask to be exposed, though somebody seems to have meant it"
        mend = " ".join(stop(_upper(each)) for each in found)
        return Link(ANNOTATIONS, LinkState.WRONG, text, mend)
    if facts.annotations.get(SWITCH) == "false":
        text, mend = f'{SWITCH} is "false": that turns the exposure off', 'Set it to "true"'
        return Link(ANNOTATIONS, LinkState.WRONG, text, mend)
    if owner := _asking_template(facts):
        text = (
            f"The pod does not ask to be exposed. The template of {owner.kind} {owner.name} does:"
            " the pod is older than that"
        )
        mend = "Delete the pod, so that it is made anew; or annotate the pod itself too"
        return Link(ANNOTATIONS, LinkState.WRONG, text, mend)
    return Link(
        ANNOTATIONS,
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
    if exposure.problem is not None and exposure.ports:
        return _refused(facts, RULES, exposure.problem, reason=exposure.problem.reason)
    if exposure.problem is not None:
        return Link(RULES, LinkState.GOOD, "not applied to what is not understood")
    if facts.status is None:
        return Link(RULES, LinkState.UNKNOWN, "the leader was not asked which namespaces may")
    return Link(RULES, LinkState.GOOD, "the configuration allows it")


def _refused(facts: PodFacts, name: str, problem: Problem, *, reason: str) -> Link:
    record, text = facts.record, _upper(problem.text)
    has = record is not None and bool(record.status.entries) and not record.deleting
    stays = _STAYS.get(problem.reason, "") if has and facts.pod and facts.pod.ipv4 else ""
    if stays:
        text = f"{text}; {stays}"
    return Link(name, LinkState.WRONG, text, reason=reason, keeps=bool(stays))


def _orders(facts: PodFacts, exposure: Exposure) -> Link:
    del exposure
    if facts.status is None:
        return Link(ORDERS, LinkState.UNKNOWN, "the leader was not asked what is paused")
    gateway_id = facts.record.spec.gateway_id if facts.record else ""
    order = Orders(facts.status.orders).paused(gateway_id, facts.key)
    if order is not None:
        text = f"Nothing is changed: {order}"
        return Link(ORDERS, LinkState.WAITS, text, since=order.since, reason="Paused", keeps=True)
    return Link(ORDERS, LinkState.GOOD, "nothing is paused")


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
    if facts.lead_problem:
        return Link(CONTROLLER, LinkState.UNKNOWN, f"its Lease: {facts.lead_problem}")
    if dead := _leaderless(facts):
        stays = f"{dead.text}; what leads to the pod stays as it is until one does"
        return replace(dead, text=stays) if dead.keeps else dead
    if facts.status is not None and not facts.status.ready:
        why = "; ".join(facts.status.waits_for) or "it is starting"
        text = f"The controller is not ready: {why}"
        mend = "dnatctl check --online says whether cloud or cluster refuses it something."
        return Link(CONTROLLER, LinkState.WAITS, text, mend, keeps=_has_entries(facts))
    return Link(CONTROLLER, LinkState.GOOD, f"{facts.lead.holder if facts.lead else ''} leads")


def _leaderless(facts: PodFacts) -> Link | None:
    """The link that is broken where no controller leads, as far as the Lease tells."""
    lead, keeps = facts.lead, _has_entries(facts)
    if facts.lead_problem:
        return None
    mend = "See kubectl get pods -A -l app.kubernetes.io/name=dnatctl, and their logs."
    if lead is None:
        elsewhere = (
            "Or is it in a namespace other than dnatctl-system and kube-system? Then name that:"
            " --controller-namespace."
        )
        text = "No controller has ever run here"
        return Link(CONTROLLER, LinkState.WRONG, text, f"{mend} {elsewhere}", keeps=keeps)
    if not lead.holder:
        text = "No controller leads"
        return Link(CONTROLLER, LinkState.WRONG, text, mend, lead.renewed, keeps=keeps)
    if lead.silent:
        text = f"The controller {lead.holder} has not renewed its Lease since {lead.renewed}"
        return Link(CONTROLLER, LinkState.WRONG, text, mend, lead.renewed, keeps=keeps)
    return None


def _has_entries(facts: PodFacts) -> bool:
    """Whether something leads to the pod, which nobody takes away but a controller."""
    entries = facts.record.status.entries if facts.record else ()
    ip = facts.pod.ipv4 if facts.pod else ""
    return bool(entries) and all(entry.internal_ip == ip for entry in entries)


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
        return _going(record, text)
    return Link("claim", LinkState.GOOD, text, since=record.created)


def _going(record: PodDNAT, claim: str) -> Link:
    """Of a PodDNAT that is being deleted: its condition says whether it serves its pod still."""
    ready = record.status.condition(READY)
    if ready is None or ready.status != "True":
        text = f"The claim to {claim} is being released"
        return Link("claim", LinkState.WAITS, text, reason=ready.reason if ready else "")
    if ready.reason == "EntriesAvailable":  # it does not know of the deletion yet
        text, reason = f"The PodDNAT that claims {claim} is being deleted", ""
    else:
        text, reason = f"{_upper(ready.message)}. It claims {claim}", ready.reason
    keeps = bool(record.status.entries)
    return Link("claim", LinkState.WAITS, text, reason=reason, keeps=keeps)


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
    if not ports and not facts.status.ready:
        return Link("entries", LinkState.UNKNOWN, "the leader does not know its table yet")
    waits = [port for port in ports if port.state is not State.USED]
    if not waits and ports:
        rows = ", ".join(dict.fromkeys(port.entry for port in ports if port.entry))
        return Link("entries", LinkState.GOOD, f"Available: {rows}")
    text = _awaited(_backlog(facts.status, record.spec.gateway_id), len(waits), len(ports))
    told = _told(facts)
    if told is not None and told.status != "True" and told.message:
        text = f"{_upper(told.message)} ({text})" if ports else _upper(told.message)
        return Link("entries", LinkState.WAITS, text, since=told.since, reason=told.reason)
    return Link("entries", LinkState.WAITS, text)


def _ports(status: StatusDocument) -> Iterator[PortStatus]:
    for gateway in status.gateways:
        for eip in gateway.eips:
            yield from eip.ports


def _awaited(backlog: str, waits: int, ports: int) -> str:
    """What is not usable yet, and what its table has to do before."""
    if not ports:
        return f"The leader knows of no entry yet; {backlog}"
    return f"{waits} of {amount(ports, 'entry is', 'entries are')} not usable yet; {backlog}"


def _backlog(status: StatusDocument, gateway_id: str) -> str:
    found = (gateway for gateway in status.gateways if gateway.id == gateway_id)
    gateway = next(found, None)
    if gateway is None:
        return f"{gateway_id} is not in the configuration any more"
    writes = amount(gateway.table.backlog, "write waits", "writes wait")
    return f"{writes} for the table of {gateway_id}"


def _told(facts: PodFacts) -> Condition | None:
    ready = facts.record.status.condition(READY) if facts.record else None
    return ready or (facts.pod.condition if facts.pod else None)


def _published(facts: PodFacts, exposure: Exposure) -> Link:
    record = facts.record
    assert record is not None
    # What is refused has the ports that it had before.
    told, wanted = _told(facts), len(record.spec.ports if exposure.problem else exposure.ports)
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
    if condition is None and facts.pod is not None and facts.pod.gated:
        text = "The pod's readiness gate waits for this condition, and nobody sets it"
        return Link(POD_READY, LinkState.WRONG, text, reason="ReadinessGateShut")
    if condition is None:
        return Link(POD_READY, LinkState.GOOD, "the pod has no such condition: nobody waits for it")
    if condition.status != "True":
        text, reason = _upper(condition.message), condition.reason
        return Link(POD_READY, LinkState.WAITS, text, since=condition.since, reason=reason)
    return Link(POD_READY, LinkState.GOOD, condition.message, since=condition.since)


CHAIN: tuple[Callable[[PodFacts, Exposure], Link], ...] = (
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


def stop(text: str) -> str:
    """As a sentence ends."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
