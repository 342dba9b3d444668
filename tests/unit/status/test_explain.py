"""Each situation ends in the sentence that names its mend."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace as changed

from dnatctl.kube.definition import MEND
from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import (
    READY,
    Condition,
    Key,
    Owner,
    Pod,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    StatusEntry,
)
from dnatctl.orders import Order, OrderKind
from dnatctl.plan.exposure import FIXED, PORTS, PROTOCOL, SWITCH
from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    Leadership,
    PortStatus,
    RulesInForce,
    State,
    StatusDocument,
    TableStatus,
    Waiter,
)
from dnatctl.status.explain import explain
from dnatctl.status.facts import Lead, PodFacts, rules_of
from dnatctl.status.links import LinkState
from dnatctl.status.near import OwnerNotes

NOW = datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)
KEY = Key("games", "lobby-0")
ON = {SWITCH: "true", PORTS: "80"}
POD = Pod(KEY, "uid-pod", "1", ON, ("172.16.0.7",), "Running", node="node-1")
SPEC = PodDNATSpec("ngw-1", "47.1.2.3", "172.16.0.7", ports=(PortMapping(512, 80, Protocol.TCP),))
ENTRY = StatusEntry(Endpoint("47.1.2.3", 512, Protocol.TCP), "172.16.0.7", 80, "fwd-1")
IS_READY = Condition(READY, "True", "EntriesAvailable", "1 of 1 ports are reachable")
RECORD = PodDNAT(
    KEY,
    "uid-dnat",
    "1",
    created="2026-11-27T11:59:00Z",
    spec=SPEC,
    status=PodDNATStatus((ENTRY,), (IS_READY,)),
)
LEAD = Lead("dnatctl-abc_1", "2026-11-27T11:59:58Z")


def status(state: State = State.USED, *waiting: Waiter, **more: object) -> StatusDocument:
    port = PortStatus(512, 512, "tcp", state, str(KEY), "uid-dnat", "172.16.0.7:80", "fwd-1")
    gateway = GatewayStatus(
        "ngw-1", 512, 1024, table=TableStatus(backlog=7), eips=(EipStatus("47.1.2.3", (port,)),)
    )
    usual = StatusDocument(
        "2026-11-27T12:00:00Z",
        "1.0",
        "c1",
        Leadership(leading=True, identity="dnatctl-abc_1", holder="dnatctl-abc_1"),
        ready=True,
        rules=RulesInForce(max_ports_per_pod=32, stateful_kinds=("StatefulSet",)),
        gateways=(gateway,),
        waiting=waiting,
    )
    return changed(usual, **more)


def facts(pod: Pod | None = POD, record: PodDNAT | None = RECORD, **more: object) -> PodFacts:
    told = more.pop("status", status())
    assert told is None or isinstance(told, StatusDocument)
    annotations = pod.annotations if pod else {}
    usual = PodFacts(
        KEY,
        NOW,
        pod=pod,
        annotations=annotations,
        record=record,
        lead=LEAD,
        status=told,
        rules=rules_of(told),
    )
    return replace(usual, **more)  # type: ignore[arg-type]


SELECTED = status(rules=RulesInForce(selector="dnat=allowed", max_ports_per_pod=32))


def annotated(**more: str) -> Pod:
    names = {"ports": PORTS, "switch": SWITCH, "protocol": PROTOCOL, "fixed": FIXED}
    return changed(POD, annotations=ON | {names[name]: value for name, value in more.items()})


def not_ready(reason: str, message: str) -> PodDNAT:
    condition = Condition(READY, "False", reason, message, "2026-11-27T11:59:30Z")
    return changed(RECORD, status=PodDNATStatus((), (condition,)))


def unasked(annotations: dict[str, str] | None = None, **more: object) -> PodFacts:
    pod = changed(POD, annotations={})
    return facts(pod, None, annotations=annotations or {}, **more)


EXHAUSTED = Waiter(str(KEY), "PoolExhausted", "ngw-1: no port is free")
OPEN = GatewayStatus("ngw-1", 512, 1024, eips=(EipStatus("47.1.2.3"),))
SHUT = (
    changed(OPEN, problem="it is being drained"),
    changed(OPEN, eips=(EipStatus("47.1.2.3", problem="is locked"),)),
)

DEPLOYMENT = OwnerNotes("Deployment", "lobby", ON, {})
WAITS, WRONG = LinkState.WAITS, LinkState.WRONG

PAUSED = status(orders=(Order(OrderKind.PAUSE, "pod/games/lobby-0", by="ops"),))
PAUSE = (
    "Nothing is changed: pod/games/lobby-0 is paused (by ops; dnatctl resume"
    " pod/games/lobby-0 ends it)."
)

SITUATIONS = {
    "no pod of that name": (facts(None, None), "pod", WRONG, "kubectl get pods -A | grep lobby-0"),
    "the pod is gone, its claim is not": (
        facts(None, not_ready("Releasing", "1 entry is being deleted")),
        "pod",
        WAITS,
        "1 entry is being deleted. It goes on by itself",
    ),
    "it is gone, and the cloud refuses to delete": (
        facts(None, not_ready("DeletionHeld", "Forbidden.RAM")),
        "pod",
        WAITS,
        "Forbidden.RAM. Do what the text says, often: grant `vpc:DeleteForwardEntry`.",
    ),
    "the pod has ended": (facts(changed(POD, ended=True), None), "pod", WRONG, "has ended"),
    "no annotation at all": (unasked(), "annotations", WRONG, 'pod-dnat-expose-port: "80"'),
    "the annotation is on the Deployment": (
        unasked(owners=(DEPLOYMENT,)),
        "annotations",
        WRONG,
        "spec.template.metadata.annotations",
    ),
    "it is on the template, and the pod is older": (
        unasked(owners=(replace(DEPLOYMENT, annotations={}, template=ON),)),
        "annotations",
        WRONG,
        "The template of Deployment lobby does: the pod is older than that. Delete the pod",
    ),
    "a typo in the switch": (
        unasked({"k8s.aliyun.com/pod_dnat": "true"}),
        "annotations",
        WRONG,
        f"did you mean {SWITCH}?",
    ),
    "another prefix": (
        unasked({"k8s.alibabacloud.com/pod-dnat": "true"}),
        "annotations",
        WRONG,
        f"did you mean {SWITCH}?",
    ),
    "upper case": (
        unasked({"k8s.aliyun.com/Pod-Dnat": "true"}),
        "annotations",
        WRONG,
        f"did you mean {SWITCH}?",
    ),
    "as labels": (unasked(labels=ON), "annotations", WRONG, "as a label"),
    "ports without the switch": (unasked({PORTS: "80"}), "annotations", WRONG, "lacks the switch"),
    "switched off": (
        facts(annotated(switch="false"), None),
        "annotations",
        WRONG,
        f'{SWITCH} is "false": that turns the exposure off. Set it to "true".',
    ),
    "a switch that is neither": (
        facts(annotated(switch="yes"), None),
        "annotations",
        WRONG,
        '"yes" is neither',
    ),
    "no ports": (
        facts(annotated(ports=""), None),
        "annotations",
        WRONG,
        "name the ports to expose",
    ),
    "port 0": (facts(annotated(ports="0"), None), "annotations", WRONG, '"0" is not a port'),
    "a port by name": (
        facts(annotated(ports="http"), None),
        "annotations",
        WRONG,
        '"http" is not a port',
    ),
    "a port twice": (facts(annotated(ports="80,80"), None), "annotations", WRONG, "named twice"),
    "a range that ends before it begins": (
        facts(annotated(ports="90-80"), None),
        "annotations",
        WRONG,
        "ends before it begins",
    ),
    "an unknown protocol": (
        facts(annotated(protocol="sctp"), None),
        "annotations",
        WRONG,
        "neither tcp nor",
    ),
    "too many ports": (
        facts(annotated(ports="1-50"), None),
        "annotations",
        WRONG,
        "maxPortsPerPod",
    ),
    "a denied namespace": (
        facts(
            record=None, status=status(rules=RulesInForce(deny=("games",), max_ports_per_pod=32))
        ),
        "rules",
        WRONG,
        "Namespace games may not expose pods",
    ),
    "a denied port": (
        facts(
            record=None,
            status=status(rules=RulesInForce(denied_ports=("79-81",), max_ports_per_pod=32)),
        ),
        "rules",
        WRONG,
        "deniedPorts in the controller's configuration has 79-81",
    ),
    "a namespace that is not allowed": (
        facts(
            record=None, status=status(rules=RulesInForce(allow=("web-*",), max_ports_per_pod=32))
        ),
        "rules",
        WRONG,
        "in the controller's configuration. Use another namespace, or change `namespaces`",
    ),
    "a namespace without the labels": (
        facts(record=None, status=SELECTED, rules=rules_of(SELECTED, lambda _: {"team": "games"})),
        "rules",
        WRONG,
        "namespaces.selector is dnat=allowed",
    ),
    "the host's network": (
        facts(changed(POD, host_network=True)),
        "rules",
        WRONG,
        "from its neighbours. Take `hostNetwork` off the pod.",
    ),
    "a virtual node": (facts(changed(POD, virtual=True)), "rules", WRONG, "virtual nodes"),
    "IPv6 only": (facts(changed(POD, ips=("fd00::1",))), "rules", WRONG, "no IPv4 address"),
    "outside of vpcCIDRs": (
        facts(status=status(rules=RulesInForce(vpc_cidrs=("10.0.0.0/8",), max_ports_per_pod=32))),
        "rules",
        WRONG,
        "is not in vpcCIDRs (10.0.0.0/8)",
    ),
    "no IP yet": (facts(changed(POD, ips=()), None), "address", WAITS, "no IP yet"),
    "no CRD": (facts(record=None, served=False), "CRD", WRONG, MEND),
    "no controller ever ran": (
        facts(record=None, lead=None, status=None),
        "controller",
        WRONG,
        "Then name that: --controller-namespace.",
    ),
    "nobody leads": (
        facts(record=None, lead=replace(LEAD, holder=""), status=None),
        "controller",
        WRONG,
        "No controller leads",
    ),
    "the leader is dead": (
        facts(
            record=None,
            lead=replace(LEAD, renewed="2026-11-27T11:50:00Z", silent=True),
            status=None,
        ),
        "controller",
        WRONG,
        "has not renewed its Lease since 2026-11-27T11:50:00Z",
    ),
    "nobody leads, and what it has leads to another IP": (
        facts(changed(POD, ips=("172.16.0.8",)), lead=replace(LEAD, holder=""), status=None),
        "controller",
        WRONG,
        "No controller leads. See kubectl get pods -A",
    ),
    "the leader is starting": (
        facts(record=None, status=status(ready=False, waits_for=("tables not read yet: ngw-1",))),
        "controller",
        WAITS,
        "tables not read yet: ngw-1. dnatctl check --online says",
    ),
    "the pool is empty": (
        facts(
            record=None,
            status=status(State.USED, Waiter(str(KEY), "PoolExhausted", "ngw-1: no port is free")),
        ),
        "claim",
        WAITS,
        "ngw-1: no port is free",
    ),
    "told on the pod alone": (
        facts(
            changed(
                POD, condition=Condition("x", "False", "QuotaExceeded", "quota of games: 3 of 3")
            ),
            None,
            status=None,
        ),
        "claim",
        WAITS,
        "Quota of games: 3 of 3",
    ),
    "nothing said yet": (facts(record=None), "claim", WAITS, "Nothing is claimed"),
    "a record that makes no sense": (
        facts(record=changed(RECORD, problem="externalPort is no number")),
        "claim",
        WRONG,
        "kubectl delete poddnat -n games lobby-0",
    ),
    "the claim is being released": (
        facts(record=changed(not_ready("Releasing", "being deleted"), deleting=True)),
        "claim",
        WAITS,
        "is being released",
    ),
    "the entry waits for the table": (
        facts(record=not_ready("EntriesPending", ""), status=status(State.PENDING)),
        "entries",
        WAITS,
        "7 writes wait for the table of ngw-1",
    ),
    "the cloud refuses the entry": (
        facts(
            record=not_ready("CloudRejected", "Forbidden.RAM: grant vpc:CreateForwardEntry"),
            status=status(State.PENDING),
        ),
        "entries",
        WAITS,
        "not usable yet; 7 writes wait for the table of ngw-1). Do what",
    ),
    "the leader knows of no entry, and says why": (
        facts(
            record=not_ready("GatewayUnusable", "the EIP is gone"),
            status=status(gateways=(GatewayStatus("ngw-1", 512, 1024),)),
        ),
        "entries",
        WAITS,
        "The EIP is gone. Put right what the text names",
    ),
    "the leader knows of no entry": (
        facts(
            record=not_ready("EntriesPending", ""),
            status=status(gateways=(GatewayStatus("ngw-1", 512, 1024),)),
        ),
        "entries",
        WAITS,
        "The leader knows of no entry yet; 0 writes wait for the table of ngw-1. It goes on",
    ),
    "all gateways are drained or locked": (
        facts(record=None, status=status(gateways=SHUT, waiting=(EXHAUSTED,))),
        "claim",
        WAITS,
        "ngw-1: no port is free. End what the text names, or add a gateway.",
    ),
    "one gateway is drained": (
        facts(record=None, status=status(gateways=(SHUT[0], OPEN), waiting=(EXHAUSTED,))),
        "claim",
        WAITS,
        "Where ports are used up: widen the range of ports",
    ),
    "not listed, and no leader to ask": (
        facts(record=not_ready("EntriesPending", "0 of 1 ports are reachable"), status=None),
        "status",
        WAITS,
        "0 of 1 ports are reachable",
    ),
    "nobody opens the gate": (
        facts(changed(POD, gated=True)),
        "k8s.aliyun.com/pod-dnat-ready",
        LinkState.WRONG,
        "nobody sets it. Give the leave (manifests/pod-condition",
    ),
    "the gate is not open": (
        facts(changed(POD, condition=Condition("x", "False", "NoInterface", "not yet"))),
        "k8s.aliyun.com/pod-dnat-ready",
        WAITS,
        "Not yet. If nothing reaches the pod: check `vpcID`",
    ),
}


@pytest.mark.parametrize(
    ("told", "name", "standing", "sentence"), SITUATIONS.values(), ids=SITUATIONS
)
def test_the_chain_ends_where_it_breaks_and_names_the_mend(
    told: PodFacts, name: str, standing: LinkState, sentence: str
) -> None:
    found = explain(told)

    assert (found.links[-1].name, found.links[-1].standing) == (name, standing)
    assert sentence in found.sentence
    assert not found.reachable
    assert all(link.standing in (LinkState.GOOD, LinkState.UNKNOWN) for link in found.links[:-1])
    if standing is WAITS:
        assert found.sentence != f"{found.links[-1].text}.", "what to do, or that it is nothing"


def test_what_is_there_stays_reachable_while_it_is_paused_and_both_are_said() -> None:
    found = explain(facts(status=PAUSED))

    assert found.reachable
    assert found.sentence.startswith("Reachable: 47.1.2.3:512/tcp leads to port 80.")
    assert found.sentence.endswith(PAUSE)


BANNED = status(rules=RulesInForce(deny=("games",), max_ports_per_pod=32))
NO_80 = status(rules=RulesInForce(denied_ports=("80",), max_ports_per_pod=32))


@pytest.mark.parametrize(
    ("told", "name", "wrong", "stays"),
    [
        (facts(annotated(ports="80,oops")), "annotations", '"oops" is not a port', "stays"),
        (facts(annotated(switch="yes")), "annotations", '"yes" is neither', "stays"),
        (facts(status=NO_80), "rules", "deniedPorts", "stays. Expose another port"),
        (facts(annotated(ports="80,81"), status=NO_80), "rules", "deniedPorts", "stays"),
        (facts(status=BANNED), "rules", "may not expose pods", "after namespaces.grace. Use"),
    ],
)
def test_what_a_refusal_leaves_in_place_is_reachable_and_both_are_said(
    told: PodFacts, name: str, wrong: str, stays: str
) -> None:
    found = explain(told)

    assert found.reachable
    assert [link.name for link in found.links if link.standing is WRONG] == [name]
    assert found.sentence.startswith("Reachable: 47.1.2.3:512/tcp leads to port 80.")
    refused = found.sentence.partition("What it asks for is refused: ")[2]
    assert wrong in refused
    assert stays in refused


def test_behind_a_refusal_what_is_wrong_with_what_it_has_is_named_first() -> None:
    found = explain(facts(status=changed(BANNED, gateways=status(State.PENDING).gateways)))

    assert (found.links[-1].name, found.links[-1].standing) == ("entries", WAITS)
    assert found.sentence.startswith("1 of 1 entry is not usable yet; ")
    assert "What it asks for is refused: Namespace games may not expose pods" in found.sentence
    assert not found.reachable


@pytest.mark.parametrize(
    "record",
    [None, not_ready("NamespaceDenied", "no"), changed(RECORD, deleting=True)],
    ids=["none", "unlisted", "going"],
)
def test_a_refusal_leaves_nothing_where_nothing_is(record: PodDNAT | None) -> None:
    found = explain(facts(record=record, status=BANNED))

    assert (found.links[-1].name, found.reachable) == ("rules", False)
    assert "grace" not in found.sentence


def test_a_refusal_that_says_that_nothing_leads_there_is_believed() -> None:
    assert not explain(facts(changed(POD, virtual="its node's name"))).reachable


def test_a_pause_hides_no_fault_of_the_pods() -> None:
    found = explain(facts(annotated(ports="http"), None, status=PAUSED))

    assert (found.links[-1].name, found.links[-1].standing) == ("annotations", WRONG)
    assert '"http" is not a port' in found.sentence
    assert found.sentence.endswith(PAUSE)
    assert not found.reachable


def test_what_is_paused_does_not_go_on_by_itself() -> None:
    found = explain(facts(record=None, status=PAUSED))

    assert found.sentence == f"Nothing is claimed for the pod yet. {PAUSE}"


def test_a_pause_that_the_pod_is_told_of_is_said_once() -> None:
    waiter = Waiter(str(KEY), "Paused", "pod/games/lobby-0 is paused")
    found = explain(facts(record=None, status=changed(PAUSED, waiting=(waiter,))))

    assert (
        found.sentence
        == "pod/games/lobby-0 is paused. Run the command that the text names, or wait."
    )


def test_each_near_miss_is_a_sentence_of_its_own() -> None:
    near = {"k8s.aliyun.com/pod-dnats": "", "k8s.aliyun.com/pod-dnat-expose-ports": "80"}
    sentence = explain(facts(changed(POD, annotations={}), annotations=near)).sentence
    assert "did you mean k8s.aliyun.com/pod-dnat? The pod has the annotation" in sentence
    assert sentence.endswith("did you mean k8s.aliyun.com/pod-dnat-expose-port?")


def test_a_chain_that_holds_says_where_the_pod_is_reached() -> None:
    found = explain(facts())

    assert found.reachable
    assert "47.1.2.3:512/tcp leads to port 80" in found.sentence
    assert "security group" in found.sentence


def test_without_a_leader_what_it_would_know_is_unknown_and_the_rest_is_told() -> None:
    found = explain(facts(status=None))

    assert [link.name for link in found.links if link.standing is LinkState.UNKNOWN] == [
        "orders",
        "rules",
        "entries",
    ]
    assert found.sentence.startswith(
        "Reachable, as far as the cluster's objects tell: 47.1.2.3:512"
    )


def test_labels_let_a_namespace_in_and_what_may_not_be_read_is_not_held_against_it() -> None:
    for known in ({"dnat": "allowed"}, None):
        found = explain(facts(status=SELECTED, rules=rules_of(SELECTED, lambda _, k=known: k)))
        assert found.reachable


NOBODY_LEADS = replace(LEAD, holder="")
HELD = "the PodDNAT is being deleted along with its definition; its entries stay"


def test_what_leads_to_a_pod_is_told_whether_or_not_a_controller_leads() -> None:
    found = explain(facts(lead=NOBODY_LEADS, status=None))

    assert found.links[-1].name == "k8s.aliyun.com/pod-dnat-ready"
    assert "47.1.2.3 512->80/tcp on ngw-1" in next(
        link.text for link in found.links if link.name == "claim"
    )
    assert found.sentence.startswith("Reachable, as far as the cluster's objects tell: 47.1.2.3")
    assert "No controller leads; what leads to the pod stays as it is until one does. See" in (
        found.sentence
    )
    assert not found.reachable, "it is not known for sure"


def test_while_the_leader_starts_what_leads_to_a_pod_is_told() -> None:
    starting = status(ready=False, waits_for=("tables not read yet: ngw-1",), gateways=())
    found = explain(facts(status=starting))

    assert found.sentence.startswith("Reachable, as far as the cluster's objects tell: 47.1.2.3")
    assert "tables not read yet: ngw-1. dnatctl check --online says" in found.sentence


@pytest.mark.parametrize("pod", [None, changed(POD, ended=True)])
def test_what_a_pod_has_left_is_not_released_while_no_controller_leads(pod: Pod | None) -> None:
    found = explain(facts(pod, lead=NOBODY_LEADS, status=None))

    assert not found.reachable
    told = (
        "No controller leads. Nothing is released until one leads: 47.1.2.3:512/tcp is open and"
        " leads to 172.16.0.7, which another pod may be given. See kubectl get pods -A -l"
    )
    assert told in found.sentence
    assert "by itself" not in found.sentence
    assert "reachable" not in found.sentence


def test_a_pod_that_is_gone_is_not_said_to_be_reachable() -> None:
    assert explain(facts(None)).sentence.startswith(
        "The pod is gone; its PodDNAT is still there. It goes on by itself"
    )


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("ReleaseHeld", HELD, f"T{HELD[1:]}. It claims 47.1.2.3 512->80/tcp on ngw-1. To release"),
        ("EntriesAvailable", "1 of 1", "The PodDNAT that claims 47.1.2.3 512->80/tcp on ngw-1 is"),
    ],
)
def test_a_poddnat_that_is_being_deleted_may_serve_its_pod(
    reason: str, message: str, told: str
) -> None:
    ready = Condition(READY, "True", reason, message)
    going = changed(RECORD, deleting=True, status=PodDNATStatus((ENTRY,), (ready,)))
    found = explain(facts(record=going))

    assert found.reachable
    assert found.sentence.startswith("Reachable: 47.1.2.3:512/tcp leads to port 80.")
    assert told in found.sentence


def test_a_lease_that_may_not_be_read_is_no_dead_controller() -> None:
    found = explain(facts(lead=None, lead_problem="Forbidden: leases", status=None))

    link = next(link for link in found.links if link.name == "controller")
    assert link.standing is LinkState.UNKNOWN
    assert "Forbidden: leases" in link.text


def test_a_fixed_pod_of_a_stateful_workload_is_said_to_keep_what_it_has() -> None:
    owner = Owner("apps/v1", "StatefulSet", "lobby", "uid-set", controller=True)
    found = explain(facts(changed(annotated(fixed="true"), owner=owner)))

    assert (
        "kept for its name" in next(each for each in found.links if each.name == "annotations").text
    )


def test_what_may_have_been_meant_otherwise_is_told_beside_what_is_asked_for() -> None:
    links = explain(facts(changed(annotated(fixed="true"), near=("the pod has a label",)))).links

    asked = next(link for link in links if link.name == "annotations")
    assert asked.standing is LinkState.GOOD
    assert "but the pod has a label" in asked.text
    assert "has no effect" in asked.text
