"""What must hold of every plan, whatever the record says and whatever is in the tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dnatctl.model import ForwardEntry
from dnatctl.objects import PodDNAT, StatusEntry
from dnatctl.plan.values import (
    Adopt,
    DropFinalizer,
    Policy,
    Publish,
    Reclaim,
    Retire,
    TakeOver,
    WorkloadAnswer,
)
from dnatctl.table.writes import CreateRow, Refusal, Refused
from tests.unit.plan.made import (
    ME,
    NOW,
    OTHER,
    WALL,
    Scene,
    listed,
    new_row,
    offer,
    pod,
    ready,
    record,
    spec,
)
from tests.unit.pool.made import endpoint
from tests.unit.table.made import AVAILABLE, DELETING, EIP, GATEWAY, PENDING, TCP, UDP, row, view

EXTERNAL = st.sampled_from([f"{EIP}:600", f"{EIP}:601", f"{EIP}:600/601", "2.2.2.2:600"])
ADDRESS = st.sampled_from(["10.0.0.1"] * 3 + ["10.0.0.9"])
PORT = st.sampled_from([80, 81, 443])
OWNER = st.sampled_from([ME, ME, ME, OTHER, ""])
RARELY = st.sampled_from([False] * 5 + [True])
MINE = row("fwd-0", owner=ME).name
STATUS = st.sampled_from([AVAILABLE, AVAILABLE, PENDING, DELETING])
PROTOCOL = st.sampled_from([TCP, TCP, UDP])
PAIR = st.tuples(st.sampled_from([600, 601, 602]), PORT, PROTOCOL)
CLAIM = st.lists(PAIR, min_size=1, max_size=3) | st.sampled_from(
    [[(600, 80)], [(600, 80), (601, 443)], [(600, 80), (601, 81)]]
)


@st.composite
def tables(draw: st.DrawFn) -> list[ForwardEntry]:
    """Rows that one forward table could hold: no endpoint and no internal address twice."""
    rows: list[ForwardEntry] = []
    for number in range(draw(st.integers(0, 4))):
        external, port = draw(EXTERNAL), draw(PORT)
        internal = f"{draw(ADDRESS)}:{port}/{port + 1}" if "/" in external else f"10.0.0.1:{port}"
        new = row(f"fwd-{number}", external, internal, draw(OWNER), draw(PROTOCOL), draw(STATUS))
        if not any(_collide(new, known) for known in rows):
            rows.append(new)
    return rows


def _collide(a: ForwardEntry, b: ForwardEntry) -> bool:
    return a.protocol == b.protocol and (
        (a.external_ip == b.external_ip and a.external_ports.overlaps(b.external_ports))
        or (a.internal_ip == b.internal_ip and a.internal_ports.overlaps(b.internal_ports))
    )


@st.composite
def records(draw: st.DrawFn, rows: list[ForwardEntry]) -> PodDNAT:
    """A PodDNAT as it is, or as somebody wrote it: its status lists rows, and rows that are not."""
    rightful = [known for known in rows if (known.name, known.status) == (MINE, AVAILABLE)]
    said = [*listed(*draw(st.sampled_from([[], [], rightful, rows])))]
    if draw(RARELY):
        said.append(StatusEntry(endpoint(600), draw(ADDRESS), draw(PORT), "fwd-0"))
    claim = spec(*draw(CLAIM), ip=draw(ADDRESS))
    if draw(RARELY):
        claim = replace(claim, gateway_id=draw(st.sampled_from(["", "ngw-9"])))
    made = record(
        claim=claim,
        fixed=draw(RARELY),
        deleting=draw(RARELY),
        conditions=draw(st.sampled_from([(), (ready(),), (ready("False", "x", "y"),)])),
    )
    return replace(made, status=replace(made.status, entries=tuple(said)))


PODS = st.sampled_from(
    [
        None,
        *[pod("80"), pod("80,443"), pod("80-81"), pod("80/udp,80/tcp,443"), pod("443")] * 3,
        pod("80-81", fixed=True),
        pod("80/udp", ip="10.0.0.9"),
        pod("nonsense"),
        pod("80", ip=""),
        pod("80", ended=True),
        pod(annotations={}),
    ]
)
POLICIES = st.builds(
    Policy,
    upsert_only=st.booleans(),
    take_over=st.sampled_from([None, TakeOver(WALL, (offer(),))]),
    unmodifiable=st.sampled_from([frozenset(), frozenset({GATEWAY})]),
    keeps_conditions=st.booleans(),
)
REFUSALS = st.dictionaries(
    st.builds(new_row, st.sampled_from(["600", "601"]), st.sampled_from(["80", "443"])),
    st.builds(Refusal, st.sampled_from(Refused), st.integers(1, 4), st.integers(0, 1), st.just("")),
    max_size=2,
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    rows = draw(tables())
    a_record = None if draw(RARELY) else draw(records(rows))
    durable = a_record.spec.endpoints() if a_record and draw(st.booleans()) else ()
    return Scene(
        *rows,
        record=a_record,
        pod=draw(PODS),
        offers=(offer(ports="600/603", pack=draw(st.booleans())),),
        others={OTHER: spec((600, 80))} if draw(RARELY) else {},
        tables={GATEWAY: view(read=False)} if draw(RARELY) else {},
        policy=draw(POLICIES),
        refusals=draw(REFUSALS),
        unanswered=draw(RARELY),
        durable=frozenset(durable),
        workload=draw(st.sampled_from(WorkloadAnswer)),
    )


@given(scenes())
def test_only_own_rows_are_written_to(scene: Scene):
    for write in scene.plan().writes:
        if not isinstance(write, CreateRow):
            held = scene.tables[write.gateway_id].row(write.entry_id)
            assert held is not None
            assert held.owner == ME


@given(scenes())
def test_a_row_is_created_only_for_a_stored_claim_to_an_endpoint_nobody_has(scene: Scene):
    a_record = scene.seen.record
    for write in scene.plan().writes:
        if isinstance(write, CreateRow):
            assert a_record is not None
            for port in write.entry.external_ports.first, write.entry.external_ports.last:
                wanted = endpoint(port, write.entry.external_ip, write.entry.protocol)
                assert wanted in a_record.spec.endpoints()
                assert scene.pool.owner(wanted) in ("", ME)
                assert not scene.tables[write.gateway_id].covering(wanted)


@given(scenes())
def test_what_is_deleted_or_changed_is_not_listed_any_more(scene: Scene):
    a_record = scene.seen.record
    for write in scene.plan().writes:
        if not isinstance(write, CreateRow):
            assert a_record is not None
            assert write.entry_id not in {e.entry_id for e in a_record.status.entries}


@given(scenes())
def test_what_is_published_reaches_the_pod(scene: Scene):
    made = scene.plan()
    if not isinstance(made.step, Publish):
        return
    for entry in made.step.status.entries:
        held = scene.tables[GATEWAY].row(entry.entry_id)
        assert held is not None
        assert (held.owner, held.entry.status) == (ME, AVAILABLE)
        assert held.entry.covers(entry.endpoint)
        assert held.entry.internal_ip == entry.internal_ip == scene.seen.exposure.ip


@given(scenes())
def test_nothing_is_deleted_under_upsert_only(scene: Scene):
    if scene.seen.policy.upsert_only:
        assert not any(type(write).__name__ == "DeleteRow" for write in scene.plan().writes)


@given(scenes())
def test_nothing_is_let_go_of_while_a_row_is_left(scene: Scene):
    made = scene.plan()
    rows = scene.tables[GATEWAY].owned_by(ME)
    if isinstance(made.step, DropFinalizer):
        assert not rows
        assert not scene.seen.unanswered
    if isinstance(made.step, Retire):
        retired = set(made.step.endpoints)
        assert not any(held.entry.covers(e) for held in rows for e in retired)
    if isinstance(made.step, Reclaim):
        dropped = set(scene.seen.record.spec.endpoints()) - set(made.step.spec.endpoints())
        same = scene.seen.record.spec.gateway_id == GATEWAY
        assert not any(same and held.entry.covers(e) for held in rows for e in dropped)


@given(scenes())
def test_only_unmarked_rows_of_the_own_pod_are_adopted(scene: Scene):
    made = scene.plan()
    if isinstance(made.step, Adopt):
        for entry_id in made.step.entry_ids:
            held = scene.tables[GATEWAY].row(entry_id)
            assert held is not None
            assert held.owner == ""
            if not scene.seen.policy.take_over:
                assert held.entry.internal_ip == scene.seen.exposure.ip != ""


@given(scenes())
def test_a_claim_is_made_of_free_endpoints(scene: Scene):
    made = scene.plan()
    if isinstance(made.step, Reclaim):
        old = set(scene.seen.record.spec.endpoints())
        for new in set(made.step.spec.endpoints()) - old:
            assert scene.pool.is_free(made.step.spec.gateway_id, new, NOW)


@given(scenes())
def test_a_plan_is_the_same_when_made_again(scene: Scene):
    assert scene.plan() == scene.plan()
