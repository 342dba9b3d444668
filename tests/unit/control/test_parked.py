"""Parked claims in the ledger: what is noted, what is believed of it, and what a refusal costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from dnatctl.control.cluster.parked import TRY_AGAIN_S, Parked
from dnatctl.control.state.views import Views
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import Condition, Key, Owner, PodDNAT, PodDNATStatus, StatusEntry
from dnatctl.pool import GatewayPool
from tests.support.clock import FakeClock
from tests.unit.pool.made import endpoint, offer, spec
from tests.unit.table.made import EIP, GATEWAY, MARKS, POD_IP, row, uid

AWAY = PodDNATStatus(conditions=(Condition("Ready", "False", "PodAway", ""),))
LOST = PodDNATStatus(conditions=(Condition("Ready", "False", "EntriesChanged", ""),))


class Stored:
    """A ledger in memory that may refuse."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.failure: Failure | None = None
        self.writes = 0
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens while the first write is under way."""

    def parked(self) -> dict[str, str]:
        return dict(self.held)

    def note_parked(self, parked: Mapping[str, str | None]) -> None:
        self.writes += 1
        if self.failure:
            raise KubeError(self.failure, "refused")
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        self.held = {k: v for k, v in {**self.held, **parked}.items() if v is not None}


@pytest.fixture
def ledger() -> Stored:
    return Stored()


def start(
    ledger, *records: PodDNAT, note: bool = True, offered: GatewayPool | None = None
) -> tuple[Views, Parked]:
    """A process that knows these PodDNATs and what the ledger says."""
    views = Views(MARKS, [offered or offer()], 60.0, FakeClock())
    for record in records:
        views.record_changed(None, record)
    parked = Parked(ledger, views, note=note)
    parked.load()
    views.pool.open()
    return views, parked


def record(number: int, *ports: int) -> PodDNAT:
    return PodDNAT(
        Key("games", f"g-{number}"), uid(number), "1", created=f"{number}", spec=spec(*ports)
    )


VICTIM, THIEF = record(2, 600, 601), record(1, 609)


def test_what_was_parked_wins_over_an_older_poddnat_after_a_restart(ledger):
    _, parked = start(ledger, VICTIM, THIEF)
    parked.keep(VICTIM, AWAY)
    views, _ = start(ledger, VICTIM, replace(THIEF, spec=spec(601)))
    assert views.pool.owner(endpoint(601)) == VICTIM.uid
    assert views.pool.owner(endpoint(600)) == VICTIM.uid


def test_without_a_note_the_older_one_would(ledger):
    views, _ = start(ledger, VICTIM, replace(THIEF, spec=spec(601)))
    assert views.pool.owner(endpoint(601)) == THIEF.uid


def test_nobody_parks_what_is_anothers(ledger):
    """A fixed pod of the thief's goes away, with the victim's endpoint in its PodDNAT."""
    views, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, AWAY)
    thief = replace(THIEF, spec=spec(601))
    views.record_changed(None, thief)
    parked.keep(thief, AWAY)
    assert thief.uid not in ledger.held
    views, _ = start(ledger, VICTIM, thief)
    assert views.pool.owner(endpoint(601)) == VICTIM.uid


NOTED = "1.1.1.1:600/tcp,1.1.1.1:601/tcp"


def test_what_a_claim_lets_go_of_is_noted_as_its_own_no_more(ledger):
    """Its author edits it, another gets the endpoint and parks there, and it is edited back."""
    thief, elsewhere = replace(THIEF, spec=spec(600)), replace(THIEF, spec=spec(602))
    views, parked = start(ledger, thief)
    parked.keep(thief, AWAY)
    assert not parked.behind()
    views.record_changed(thief, elsewhere)
    assert parked.behind()
    parked.pulse()
    assert (ledger.held, parked.behind()) == ({}, False)
    views.record_changed(None, VICTIM)
    parked.keep(VICTIM, AWAY)
    views, _ = start(ledger, VICTIM, thief)
    assert views.pool.owner(endpoint(600)) == VICTIM.uid


def test_nor_is_it_while_the_next_one_is_noted(ledger):
    thief, elsewhere = replace(THIEF, spec=spec(600)), replace(THIEF, spec=spec(602))
    views, parked = start(ledger, thief)
    parked.keep(thief, AWAY)
    views.record_changed(thief, elsewhere)
    views.record_changed(None, VICTIM)
    parked.keep(VICTIM, AWAY)
    assert ledger.held == {VICTIM.uid: NOTED}


def test_nor_what_it_let_go_of_while_nobody_led(ledger):
    ledger.held = {THIEF.uid: NOTED}
    views, parked = start(ledger, replace(THIEF, spec=spec(601, 602)))
    assert ledger.held == {THIEF.uid: "1.1.1.1:601/tcp"}
    assert views.pool.proofs.held(THIEF.uid) == {endpoint(601)}
    parked.pulse()
    assert ledger.writes == 1


def test_what_it_keeps_stays_noted(ledger):
    views, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, AWAY)
    parked.pulse()
    assert ledger.writes == 1
    views.record_changed(VICTIM, replace(VICTIM, spec=spec(601, 602)))
    parked.pulse()
    parked.pulse()
    assert (ledger.held, ledger.writes) == ({VICTIM.uid: "1.1.1.1:601/tcp"}, 2)


def test_one_that_goes_by_force_leaves_no_note(ledger):
    views, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, AWAY)
    views.record_changed(VICTIM, None)
    parked.pulse()
    assert ledger.held == {}
    assert not views.pool.proofs.held(VICTIM.uid)


def test_one_that_is_gone_for_us_is_struck_at_once_though_the_news_came_first(ledger):
    views, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, AWAY)
    views.record_changed(VICTIM, None)
    parked.forget(VICTIM.uid)
    assert (ledger.held, ledger.writes) == ({}, 2)


def test_a_note_that_is_written_late_does_not_stand_against_a_newer_one(ledger):
    """Workers note, and the pulse strikes, at the same time."""
    views, parked = start(ledger, VICTIM)

    def meanwhile() -> None:
        views.record_changed(VICTIM, None)
        parked.pulse()

    ledger.meanwhile = meanwhile
    parked.keep(VICTIM, AWAY)
    assert VICTIM.uid in ledger.held
    parked.pulse()
    assert ledger.held == {}


def test_who_only_looks_on_strikes_nothing(ledger):
    ledger.held = {VICTIM.uid: NOTED}
    views, parked = start(ledger, VICTIM, note=False)
    views.record_changed(VICTIM, None)
    assert not parked.behind()
    parked.pulse()
    assert ledger.held == {VICTIM.uid: NOTED}


def test_what_was_never_offered_to_it_is_not_noted_whatever_its_author_wrote(ledger):
    """After a restart a note proves that another process offered it."""
    odd = replace(VICTIM, spec=spec(600, 7))
    _, parked = start(ledger, odd)
    parked.keep(odd, AWAY)
    assert ledger.held == {VICTIM.uid: "1.1.1.1:600/tcp"}
    ledger.held = {}
    _, parked = start(ledger, VICTIM, offered=offer(namespaces=("vip-*",)))
    parked.keep(VICTIM, AWAY)
    assert ledger.held == {}


def test_but_what_a_row_proves_is_whatever_is_offered_by_now(ledger):
    odd = replace(VICTIM, spec=spec(7))
    views, parked = start(ledger, odd)
    views.table(GATEWAY).created(row("fwd-1", f"{EIP}:7", owner=VICTIM.uid), 0.0)
    parked.keep(odd, AWAY)
    assert ledger.held == {VICTIM.uid: "1.1.1.1:7/tcp"}


def test_it_is_noted_once_and_only_when_the_pod_is_away(ledger):
    _, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, LOST)
    parked.keep(VICTIM, PodDNATStatus())
    assert ledger.writes == 0
    parked.keep(VICTIM, AWAY)
    parked.keep(VICTIM, AWAY)
    assert ledger.writes == 1
    _, parked = start(ledger, VICTIM)
    parked.keep(VICTIM, AWAY)
    assert ledger.writes == 1, "nor after a restart"


def test_it_ends_with_its_poddnat(ledger):
    _, parked = start(ledger, VICTIM, THIEF)
    parked.forget(THIEF.uid)
    assert ledger.writes == 0, "nothing was noted of that one"
    parked.keep(VICTIM, AWAY)
    parked.forget(VICTIM.uid)
    assert ledger.held == {}


@pytest.mark.parametrize("note", [True, False])
def test_what_is_left_of_one_that_is_gone_is_struck_at_the_next_start(ledger, note):
    ledger.held = {VICTIM.uid: "1.1.1.1:600/tcp", THIEF.uid: "nonsense,1.1.1.1:99999999/tcp,"}
    start(ledger, THIEF, note=note)
    assert (VICTIM.uid in ledger.held) is not note
    assert THIEF.uid in ledger.held


@pytest.mark.parametrize("failure", [Failure.FORBIDDEN, Failure.UNKNOWN])
def test_that_it_cannot_be_struck_keeps_nobody_from_working(ledger, failure):
    ledger.held = {VICTIM.uid: "1.1.1.1:600/tcp", THIEF.uid: "1.1.1.1:609/tcp"}
    ledger.failure = failure
    views, _ = start(ledger, THIEF)
    assert ledger.writes == 1
    assert views.pool.proofs.holds(THIEF.uid, [endpoint(609)])


@pytest.mark.parametrize("failure", [Failure.INVALID, Failure.FORBIDDEN, Failure.ADMISSION])
def test_a_ledger_that_takes_no_more_holds_up_nothing(ledger, failure):
    views, parked = start(ledger, VICTIM)
    ledger.failure = failure
    parked.keep(VICTIM, AWAY)
    parked.keep(VICTIM, AWAY)
    assert ledger.writes == 1
    assert views.pool.proofs.holds(VICTIM.uid, [endpoint(600)])
    parked.forget(VICTIM.uid)


@pytest.mark.parametrize("failure", [Failure.INVALID, Failure.FORBIDDEN, Failure.ADMISSION])
def test_what_was_refused_for_a_moment_is_noted_afterwards(ledger, failure):
    """A webhook that was down, a role that came late: a restart must know it all the same."""
    views, parked = start(ledger, VICTIM)
    ledger.failure = failure
    parked.keep(VICTIM, AWAY)
    parked.pulse()
    parked.pulse()
    assert ledger.writes == 2, "not every second"
    ledger.failure = None
    views.clock.advance(TRY_AGAIN_S)
    parked.pulse()
    assert ledger.held == {VICTIM.uid: "1.1.1.1:600/tcp,1.1.1.1:601/tcp"}
    views.clock.advance(TRY_AGAIN_S)
    parked.pulse()
    assert ledger.writes == 3, "once"


def test_what_has_gone_meanwhile_is_not_noted(ledger):
    views, parked = start(ledger, VICTIM)
    ledger.failure = Failure.ADMISSION
    parked.keep(VICTIM, AWAY)
    parked.forget(VICTIM.uid)
    ledger.failure = None
    views.clock.advance(TRY_AGAIN_S)
    parked.pulse()
    assert ledger.held == {}


def test_one_that_does_not_answer_is_asked_again(ledger):
    _, parked = start(ledger, VICTIM)
    ledger.failure = Failure.UNKNOWN
    with pytest.raises(KubeError):
        parked.keep(VICTIM, AWAY)
    ledger.failure = None
    parked.keep(VICTIM, AWAY)
    assert VICTIM.uid in ledger.held


@pytest.mark.parametrize("reason", ["AddressTaken", "NodeAddress", "ForeignInterface"])
@pytest.mark.parametrize(("kind", "noted"), [("StatefulSet", True), ("Pod", False)])
def test_a_fixed_claim_whose_pods_ip_is_anothers_is_noted(ledger, reason, kind, noted):
    """Its rows go as if the pod were away; the claim of any other pod is let go."""
    fixed = replace(VICTIM, owners=(Owner("v1", kind, "g", "uid-of-owner"),))
    _views, parked = start(ledger, fixed)
    parked.keep(fixed, PodDNATStatus(conditions=(Condition("Ready", "False", reason, ""),)))
    assert bool(ledger.held) is noted


SERVED = replace(
    VICTIM,
    owners=(Owner("v1", "StatefulSet", "g", "uid-of-owner"),),
    status=PodDNATStatus(
        tuple(
            StatusEntry(endpoint(port), POD_IP, internal, f"fwd-{port}")
            for port, internal in ((600, 80), (601, 81))
        )
    ),
)


def no_more(reason: str, *left: StatusEntry) -> PodDNATStatus:
    return PodDNATStatus(left, (Condition("Ready", "False", reason, ""),))


@pytest.mark.parametrize("reason", ["EntriesChanged", "GatewayUnusable", "CloudRejected"])
@pytest.mark.parametrize("left", [SERVED.status.entries[:1], ()])
def test_a_fixed_claim_that_is_reached_no_more_is_noted_though_its_pod_lives(ledger, reason, left):
    """Its rows are gone, perhaps, and cannot be made again: the EIP is not bound."""
    _, parked = start(ledger, SERVED, THIEF)
    parked.keep(SERVED, no_more(reason, *left))
    parked.keep(SERVED, no_more(reason, *left))
    assert (ledger.held, ledger.writes) == ({SERVED.uid: NOTED}, 1)
    views, _ = start(ledger, SERVED, replace(THIEF, spec=spec(601)))
    assert views.pool.owner(endpoint(601)) == SERVED.uid


@pytest.mark.parametrize("reason", ["Releasing", "EntriesUnmarked", "PortsChanged"])
def test_not_where_it_is_given_up(ledger, reason):
    _, parked = start(ledger, SERVED)
    parked.keep(SERVED, no_more(reason))
    assert ledger.writes == 0


@pytest.mark.parametrize("reason", ["EntriesAwaited", "EntriesAvailable", "CloudRejected"])
def test_nor_where_nothing_that_was_told_is_lost(ledger, reason):
    """A claim that is about to get its first row, for one."""
    fresh = replace(SERVED, status=PodDNATStatus())
    _, parked = start(ledger, SERVED)
    parked.keep(fresh, no_more(reason))
    parked.keep(fresh, no_more(reason, *SERVED.status.entries))
    parked.keep(SERVED, no_more(reason, *SERVED.status.entries))
    assert ledger.writes == 0


def test_nor_that_of_a_pod_which_is_not_fixed(ledger):
    _, parked = start(ledger, SERVED)
    parked.keep(replace(SERVED, owners=()), no_more("GatewayUnusable"))
    assert ledger.writes == 0
