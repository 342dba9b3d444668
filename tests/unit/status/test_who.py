"""Whose an endpoint is, and whose it was."""

from __future__ import annotations

from msgspec.structs import replace

from dnatctl.model import Endpoint, Protocol
from dnatctl.objects import Key, PodDNAT, PodDNATSpec, PodDNATStatus, PortMapping, StatusEntry
from dnatctl.status.document import (
    EipStatus,
    GatewayStatus,
    Leadership,
    PastHolder,
    PortStatus,
    State,
    StatusDocument,
)
from dnatctl.status.who import holders, unheld

ENDPOINT = Endpoint("47.1.2.3", 512, Protocol.TCP)
SPEC = PodDNATSpec("ngw-1", "47.1.2.3", "172.16.0.7", ports=(PortMapping(512, 80, Protocol.TCP),))
RECORD = PodDNAT(
    Key("games", "lobby-0"),
    "uid-1",
    "1",
    created="2026-11-27T11:00:00Z",
    spec=SPEC,
    status=PodDNATStatus((StatusEntry(ENDPOINT, "172.16.0.7", 80, "fwd-1"),)),
)


def status(*ports: PortStatus, history: tuple[PastHolder, ...] = ()) -> StatusDocument:
    gateway = GatewayStatus("ngw-1", 512, 1024, eips=(EipStatus("47.1.2.3", ports),))
    lease = Leadership(leading=True, identity="a_1")
    return StatusDocument("", "1.0", "c1", lease, gateways=(gateway,), history=history)


def test_who_claims_it_has_it_and_where_it_leads_is_told() -> None:
    (holder,) = holders([ENDPOINT], [RECORD], None)

    assert (holder.who, holder.what) == ("games/lobby-0", "claimed")
    assert holder.note == "leads to 172.16.0.7:80"
    assert holder.since == "2026-11-27T11:00:00Z"


def test_a_claim_that_leads_nowhere_is_said_to() -> None:
    (holder,) = holders([ENDPOINT], [replace(RECORD, status=PodDNATStatus())], None)

    assert holder.note == "not usable now"


def test_another_port_or_protocol_of_the_same_ip_is_nobodys() -> None:
    others = [Endpoint("47.1.2.3", 513, Protocol.TCP), Endpoint("47.1.2.3", 512, Protocol.UDP)]

    assert list(holders(others, [RECORD], status())) == []


def test_somebody_elses_entry_that_covers_it_is_named() -> None:
    foreign = PortStatus(
        500, 600, "tcp", State.FOREIGN, internal="172.16.9.9:500/600", entry="fwd-9"
    )
    (holder,) = holders([ENDPOINT], [], status(foreign))

    assert (holder.what, holder.who) == ("foreign", "on ngw-1")
    assert "fwd-9" in holder.note


def test_what_rests_is_said_to_rest_until_when() -> None:
    resting = PortStatus(512, 512, "tcp", State.RESTING, until="2026-11-27T12:01:00Z")
    (holder,) = holders([ENDPOINT], [], status(resting))

    assert (holder.what, holder.until) == ("resting", "2026-11-27T12:01:00Z")


def test_those_before_are_told_latest_first() -> None:
    first = PastHolder(
        str(ENDPOINT), "games/a", "u1", "2026-11-27T08:00:00Z", "2026-11-27T09:00:00Z"
    )
    second = PastHolder(
        str(ENDPOINT), "games/b", "u2", "2026-11-27T09:30:00Z", "2026-11-27T10:00:00Z"
    )
    other = PastHolder(
        "47.1.2.3:513/tcp", "games/c", "u3", "2026-11-27T09:30:00Z", "2026-11-27T10:00:00Z"
    )

    found = list(holders([ENDPOINT], [], status(history=(first, second, other))))

    assert [holder.who for holder in found] == ["games/b", "games/a"]


class TestUnheld:
    """Nobody has it: whether anybody may get it."""

    FREE = EipStatus("47.1.2.3", free={"tcp": 513, "udp": 513})
    LEAVES = replace(FREE, free={"tcp": 0, "udp": 0})
    DRAINED = replace(LEAVES, problem="it is being drained (by ops)")
    OFFERS = GatewayStatus("ngw-1", 512, 1024)
    BOTH = tuple(Endpoint("47.1.2.3", 600, protocol) for protocol in Protocol)

    def said(self, *gateways: GatewayStatus, asked: tuple[Endpoint, ...] = BOTH) -> str:
        return unheld(asked, replace(status(), gateways=gateways))

    def offering(self, *eips: EipStatus, **more: str) -> GatewayStatus:
        return replace(self.OFFERS, eips=eips, **more)

    def test_what_is_given_out_is_free(self) -> None:
        assert self.said(self.offering(self.FREE)) == ": it is free, on ngw-1"

    def test_a_drained_eip_gives_nothing_out(self) -> None:
        said = self.said(self.offering(self.DRAINED))
        assert said == ", and it is not given out: 47.1.2.3: it is being drained (by ops)"

    def test_nor_does_a_gateway_with_a_problem(self) -> None:
        said = self.said(self.offering(self.LEAVES, problem="it is being drained (by ops)"))
        assert said == ", and it is not given out: ngw-1: it is being drained (by ops)"

    def test_nor_does_an_eip_that_has_left_the_pool(self) -> None:
        for asked in (self.BOTH, self.BOTH[:1]):
            said = self.said(self.offering(self.LEAVES), asked=asked)
            assert said.startswith(", and it is not given out: 47.1.2.3 leaves the pool of ngw-1")

    def test_one_that_another_gateway_offers_by_now_is_free_there(self) -> None:
        there = replace(self.offering(self.FREE), id="ngw-2")
        for gateways in ((self.offering(self.LEAVES), there), (there, self.offering(self.LEAVES))):
            assert self.said(*gateways) == ": it is free, on ngw-2"

    def test_other_ports_and_other_ips_are_told_to_be_none(self) -> None:
        gateway = self.offering(self.FREE)
        port = self.said(gateway, asked=(Endpoint("47.1.2.3", 80, Protocol.TCP),))
        ip = self.said(gateway, asked=(Endpoint("8.8.8.8", 600, Protocol.TCP),))

        assert port.endswith("of 47.1.2.3 dnatctl gives out 512 to 1024")
        assert ip == ": dnatctl uses only 47.1.2.3"

    def test_without_a_leader_nothing_is_known(self) -> None:
        assert unheld(self.BOTH, None) == ""
