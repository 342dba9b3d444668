"""The small worlds that are explored, each around one kind of trouble."""

from __future__ import annotations

from dnatctl.model import PortRange, Protocol
from dnatctl.objects import Owner, PodDNAT, PodDNATSpec, PodDNATStatus, PortMapping, StatusEntry
from dnatctl.plan.values import Policy, WorkloadAnswer
from tests.model import acts
from tests.model.image import EIP, GATEWAY
from tests.model.kube import PodState, key, uid
from tests.model.setup import Setup
from tests.model.world import Scenario

HERE, THERE, ELSEWHERE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ONE, TWO = Setup(ports=PortRange(1, 1)), Setup(ports=PortRange(1, 2))


def pod(name: str, ip: str, ports: str | None = "80", *, fixed: bool = False) -> PodState:
    """A pod that is there from the beginning."""
    return PodState(name, uid(ord(name)), ip, ports, fixed=fixed)


CHURN = Scenario(
    "a pod goes, another gets its address",
    (pod("a", HERE),),
    {"a_goes": 1, "b_comes": 1, "ticks": 2, "crash": 1},
    ({"a_goes": 1, "b_comes": 1}, {"a_goes": 1, "ticks": 1}),
    {"a_goes": acts.deleted("a"), "b_comes": acts.born("b", HERE)},
    TWO,
)

DEAD_NODE = Scenario(
    "a dead node keeps its pod, another pod gets its address",
    (pod("a", HERE),),
    {"dies": 1, "b_comes": 1, "crash": 1, "b_goes": 1, "ticks": 2, "answer_lost": 1},
    ({"dies": 1, "b_comes": 1}, {"dies": 1, "b_comes": 1, "b_goes": 1}),
    {
        "dies": acts.stranded("a"),
        "b_comes": acts.born("b", HERE),
        "b_goes": acts.killed("b"),
    },
    TWO,
)

DEAD_NODE_FIXED = Scenario(
    "a dead node keeps a pod that nobody deletes, or a fixed one; a pod of no interest is the next",
    (pod("a", HERE, fixed=True),),
    {"dies": 1, "b_comes": 1, "a_goes": 1, "a_comes": 1, "crash": 1, "ticks": 1},
    ({"dies": 1, "b_comes": 1}, {"dies": 1, "b_comes": 1, "a_goes": 1, "a_comes": 1}),
    {
        "dies": acts.stranded("a", deleting=False),
        "b_comes": acts.born("b", HERE, ports=None),
        "a_goes": acts.killed("a"),
        "a_comes": acts.born("a", THERE, fixed=True),
    },
    TWO,
)

SCARCE = Scenario(
    "two pods want the one endpoint there is",
    (pod("a", HERE), pod("b", THERE)),
    {"a_ends": 1, "b_goes": 1, "ticks": 2, "crash": 1},
    ({"a_ends": 1, "ticks": 1}, {"a_ends": 1, "crash": 1}),
    {"a_ends": acts.finished("a"), "b_goes": acts.killed("b")},
    ONE,
)

LOST = Scenario(
    "answers of the table are lost",
    (pod("a", HERE),),
    {"answer_lost": 1, "request_lost": 2, "a_goes": 1, "early": 1, "ticks": 1},
    ({"a_goes": 1, "request_lost": 1}, {"a_goes": 1, "answer_lost": 1}),
    {"a_goes": acts.killed("a")},
    TWO,
)

LATE = Scenario(
    "answers take their time, listings lag, readings are slow",
    (pod("a", HERE, "80,81"),),
    {"answer_late": 1, "hide": 1, "slow_read": 1, "early": 1, "a_goes": 1, "ticks": 1},
    ({"answer_late": 1, "slow_read": 1}, {"hide": 1, "early": 1}, {"slow_read": 1, "a_goes": 1}),
    {"a_goes": acts.killed("a")},
)

LEADERS = Scenario(
    "a leader dies with a write under way, the next one has an old view",
    (pod("a", HERE),),
    {"crash": 2, "stale_start": 1, "kube_late": 1, "a_goes": 1, "b_comes": 1, "ticks": 1},
    ({"crash": 1, "a_goes": 1}, {"crash": 1, "stale_start": 1}, {"crash": 1, "kube_late": 1}),
    {"a_goes": acts.killed("a"), "b_comes": acts.born("b", HERE)},
    TWO,
)

WORKERS = Scenario(
    "workers are held up, their writes are not answered",
    (pod("a", HERE), pod("b", THERE)),
    {"kube_lost": 1, "kube_late": 1, "slow_look": 1, "slow_take": 1, "a_goes": 1},
    ({"kube_lost": 1}, {"kube_late": 1}, {"slow_take": 1}, {"slow_look": 1}),
    {"a_goes": acts.killed("a")},
    TWO,
)

FOREIGN = Scenario(
    "somebody else writes to the table",
    (pod("a", HERE),),
    {"squat": 1, "remove": 1, "early": 1, "a_goes": 1, "ticks": 1},
    ({"squat": 1}, {"squat": 1, "early": 1}, {"remove": 1}),
    {
        "squat": acts.row_squatted(HERE, THERE),
        "remove": acts.row_removed,
        "a_goes": acts.deleted("a"),
    },
    rows=(acts.foreign(1, ELSEWHERE, "fwd-x0"),),
)

TURNED = Scenario(
    "somebody turns our rows",
    (pod("a", HERE, "80,81"),),
    {"turn": 1, "remove": 1, "slow_read": 1, "ticks": 1},
    ({"turn": 1}, {"remove": 1}, {"turn": 1, "slow_read": 1}),
    {"turn": acts.row_turned(THERE), "remove": acts.row_removed},
)

MOVED = Scenario(
    "a pod gets another address, and another pod gets its own",
    (pod("a", HERE),),
    {"moves": 2, "b_comes": 1, "ticks": 1, "answer_lost": 1},
    ({"moves": 1}, {"moves": 1, "answer_lost": 1}, {"moves": 2, "request_lost": 1}),
    {"moves": acts.readdressed("a", HERE, THERE), "b_comes": acts.born("b", HERE)},
    TWO,
)

REPLACED = Scenario(
    "a pod gets another address, and rows may not be changed",
    (pod("a", HERE),),
    {"moves": 2, "crash": 1, "ticks": 1, "answer_lost": 1},
    ({"moves": 1}, {"moves": 1, "request_lost": 1}),
    {"moves": acts.readdressed("a", HERE, THERE)},
    Setup(ports=PortRange(1, 2), policy=Policy(unmodifiable=frozenset({GATEWAY}))),
)

FIXED = Scenario(
    "a pod of a stateful set comes and goes",
    (pod("a", HERE, fixed=True),),
    {"a_goes": 1, "a_comes": 1, "scale": 1, "crash": 1, "ticks": 2},
    ({"a_goes": 1, "a_comes": 1}, {"a_goes": 1, "scale": 1, "ticks": 1}, {"a_goes": 1, "crash": 1}),
    {
        "a_goes": acts.deleted("a"),
        "a_comes": acts.born("a", THERE, fixed=True),
        "scale": acts.workload_is(WorkloadAnswer.GONE, WorkloadAnswer.SHED),
    },
    Setup(ports=PortRange(1, 2), policy=Policy(retain_s=60.0)),
)

SAME_NAME = Scenario(
    "a pod is created anew under the same name",
    (pod("a", HERE),),
    {"a_goes": 1, "a_comes": 1, "crash": 1, "stale_start": 1, "ticks": 1},
    ({"a_goes": 1, "a_comes": 1},),
    {"a_goes": acts.killed("a"), "a_comes": acts.born("a", HERE, THERE)},
    TWO,
)

SWITCHED = Scenario(
    "exposure off and on, ports added and dropped",
    (pod("a", HERE),),
    {"ask": 3, "ticks": 1},
    ({"ask": 1, "ticks": 1}, {"off": 2}, {"off": 2, "request_lost": 1}),
    {
        "ask": acts.annotated("a", None, "80", "80,81", "81", "nonsense"),
        "off": acts.annotated("a", None, "80"),
    },
)

RECORDS = Scenario(
    "somebody edits and deletes PodDNATs",
    (pod("a", HERE), pod("b", THERE)),
    {"edit": 1, "delete": 1, "ticks": 1},
    ({"delete": 1}, {"edit": 1}),
    {"edit": acts.record_edited, "delete": acts.record_removed},
)

GOING = Scenario(
    "a pod, its namespace, or its PodDNAT alone is deleted",
    (pod("a", HERE),),
    {"a_goes": 1, "namespace": 1, "delete": 1, "first": 1, "crash": 1, "ticks": 1},
    (
        {"delete": 1, "a_goes": 1},
        {"namespace": 1, "delete": 1},
        {"a_goes": 1, "first": 1},
        {"namespace": 1, "crash": 1},
    ),
    {
        "a_goes": acts.deleted("a"),
        "namespace": acts.namespace_deleted,
        "delete": acts.record_removed,
        "first": acts.record_cleaned_up,
    },
    TWO,
    guarded=True,
)

CLEANED = Scenario(
    "the workload of a fixed pod is deleted, in whatever order",
    (pod("a", HERE, fixed=True),),
    {"workload": 1, "delete": 1, "a_goes": 1, "namespace": 1, "slow_look": 1, "crash": 1},
    (
        {"workload": 1, "delete": 1},
        {"workload": 1, "a_goes": 1},
        {"workload": 1, "slow_look": 1},
        {"namespace": 1, "workload": 1},
    ),
    {
        "workload": acts.workload_is(WorkloadAnswer.GONE),
        "delete": acts.record_removed,
        "a_goes": acts.deleted("a"),
        "namespace": acts.namespace_deleted,
    },
    TWO,
    guarded=True,
)

LET_GO = Scenario(
    "a workload lets go of its pod, and another one takes it",
    (pod("a", HERE, fixed=True),),
    {"orphan": 1, "owner": 2, "delete": 1, "a_goes": 1, "kube_late": 1, "crash": 1, "ticks": 1},
    (
        {"orphan": 1, "owner": 1},
        {"owner": 2},
        {"orphan": 1, "slow_take": 1},
        {"orphan": 1, "delete": 1},
        {"owner": 1, "crash": 1},
    ),
    {
        "orphan": acts.workload_orphans,
        "owner": acts.owned_by("a", "", "set", "later"),
        "delete": acts.record_removed,
        "a_goes": acts.deleted("a"),
    },
    TWO,
    guarded=True,
)

STRIPPED = Scenario(
    "somebody takes the finalizer off, so that rows are orphaned",
    (pod("a", HERE), pod("b", THERE, None)),
    # No crash: by force, what only the controller could have noted for the next one is lost.
    {"strip": 1, "delete": 1, "ask": 1, "ticks": 4},
    ({"strip": 1, "delete": 1},),
    {
        "strip": acts.record_stripped,
        "delete": acts.record_removed,
        "ask": acts.annotated("b", "80"),
    },
    TWO,
)


STALE = Scenario(
    "a reading shows the table as it was before the last one",
    (pod("a", HERE),),
    {"falls_behind": 1, "stale_read": 2, "a_goes": 1, "b_comes": 1, "moves": 1, "ticks": 1},
    (
        {"falls_behind": 1, "stale_read": 1, "a_goes": 1},
        {"falls_behind": 1, "stale_read": 2, "moves": 1},
    ),
    {
        "a_goes": acts.deleted("a"),
        "b_comes": acts.born("b", HERE),
        "moves": acts.readdressed("a", HERE, THERE),
    },
    TWO,
)

END_REFUSED = Scenario(
    "the API server refuses what a PodDNAT needs to end, and others want what it has",
    (pod("a", HERE), pod("b", THERE)),
    {"a_goes": 1, "end_refused": 2, "refuse": 1, "crash": 1, "delete": 1, "ticks": 2},
    (
        {"a_goes": 1, "end_refused": 1},
        {"a_goes": 1, "refuse": 1},
        {"a_goes": 1, "refuse": 1, "crash": 1},
        {"a_goes": 1, "silence": 1},
    ),
    {
        "a_goes": acts.killed("a"),
        "refuse": acts.end_forbidden("delete", "finalizers"),
        "silence": acts.end_forbidden("status"),
        "delete": acts.record_removed,
    },
    ONE,
)


def _claims(name: str, ip: str, port: int, row: str, leads_to: str) -> PodDNAT:
    """A PodDNAT as an older controller, or somebody who means no good, left it."""
    spec = PodDNATSpec(
        gateway_id=GATEWAY,
        external_ip=EIP,
        internal_ip=ip,
        ports=(PortMapping(port, 80, Protocol.TCP),),
    )
    entry = StatusEntry(spec.endpoints()[0], leads_to, 80, row)
    owner = Owner("v1", "Pod", name, uid(ord(name)))
    return PodDNAT(
        key(name),
        uid(ord(name) + 100),
        "1",
        finalizers=("natgw-controller",),
        owners=(owner,),
        spec=spec,
        status=PodDNATStatus(entries=(entry,)),
    )


ADOPTED = Scenario(
    "an older controller left a row, and somebody claims a row of another",
    (pod("a", HERE), pod("b", THERE)),
    {"a_goes": 1, "crash": 1, "remove": 1, "ticks": 1},
    ({"a_goes": 1}, {"remove": 1}, {"crash": 1}),
    {"a_goes": acts.deleted("a"), "remove": acts.row_removed},
    rows=(acts.foreign(1, HERE, "fwd-x1"), acts.foreign(2, ELSEWHERE, "fwd-x2")),
    records=(
        _claims("a", HERE, 1, "fwd-x1", HERE),
        _claims("b", THERE, 2, "fwd-x2", ELSEWHERE),
    ),
)

SCENARIOS = (
    CHURN,
    DEAD_NODE,
    DEAD_NODE_FIXED,
    SCARCE,
    LOST,
    LATE,
    LEADERS,
    WORKERS,
    FOREIGN,
    TURNED,
    MOVED,
    REPLACED,
    FIXED,
    SAME_NAME,
    SWITCHED,
    RECORDS,
    GOING,
    CLEANED,
    LET_GO,
    STRIPPED,
    STALE,
    END_REFUSED,
    ADOPTED,
)
