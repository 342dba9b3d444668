"""External IPs that forward nothing: believed when two descriptions in a row say so."""

from __future__ import annotations

from typing import Any

import pytest

from dnatctl.control.state.outages import Outages
from dnatctl.model import Gateway, GatewayEip

IP = "1.1.1.1"
EIP = GatewayEip(IP, usable=True)


def gateway(*eips: GatewayEip, **more: Any) -> Gateway:
    return Gateway("ngw-1", "ftb-1", "zone", "vpc-1", eips, **more)


WELL = gateway(EIP)
DARK = [
    gateway(),
    gateway(GatewayEip("2.2.2.2", usable=True)),
    gateway(GatewayEip(IP, usable=False, problem="is locked", locked=True)),
    gateway(EIP, problem="is locked (FinancialLocked)", locked=True),
]


@pytest.mark.parametrize("dark", DARK)
def test_one_odd_answer_is_not_believed(dark: Gateway) -> None:
    outages = Outages()
    assert not outages.take_in(dark, [IP], lambda: [IP])
    assert outages.suspected("ngw-1"), "it is to be asked again soon"
    assert not outages.take_in(WELL, [IP], lambda: [IP])
    assert outages.why("ngw-1", IP) == ""
    assert not outages.suspected("ngw-1")


@pytest.mark.parametrize("dark", DARK)
def test_two_are_until_it_is_well_again(dark: Gateway) -> None:
    outages = Outages()
    assert [outages.take_in(dark, [IP], lambda: [IP]) for _ in range(3)] == [False, True, False]
    assert outages.why("ngw-1", IP)
    assert outages.why("ngw-2", IP) == ""
    assert outages.take_in(WELL, [IP], lambda: [IP])
    assert outages.why("ngw-1", IP) == ""


@pytest.mark.parametrize(
    ("lock", "cause"),
    [("FinancialLocked", " (an unpaid bill)"), ("SecurityLocked", " (security)"), ("Other", "")],
)
def test_the_cause_that_is_told_is_that_of_the_lock(lock: str, cause: str) -> None:
    outages, dark = Outages(), gateway(EIP, problem=f"is locked ({lock})", locked=True)
    for _ in range(2):
        outages.take_in(dark, [IP], set)
    told = f"the gateway is locked ({lock}): see at the cloud why{cause}"
    assert outages.why("ngw-1", IP) == told


@pytest.mark.parametrize(
    "other",
    [
        gateway(absent=True),
        gateway(unread="the cloud does not say which EIPs it has"),
        gateway(EIP, problem="is Modifying, not Available"),
        gateway(GatewayEip(IP, usable=False, problem="is Associating, not InUse")),
        gateway(GatewayEip(IP, usable=False, problem="is not bound to this gateway")),
    ],
)
def test_what_may_well_forward_is_left_alone(other: Gateway) -> None:
    outages = Outages()
    assert not any(outages.take_in(other, [IP], lambda: [IP]) for _ in range(3))


def test_nobody_asks_about_what_nobody_claims() -> None:
    outages = Outages()
    outages.take_in(gateway(), [], lambda: [IP])
    assert not outages.suspected("ngw-1")


class TestInvented:
    """Anybody may write a PodDNAT that names any IP."""

    @staticmethod
    def take_in(outages: Outages, described: Gateway, *in_use: str) -> None:
        outages.take_in(described, [IP, "9.9.9.9"], lambda: in_use)

    def test_an_ip_that_was_never_there_is_no_reason_to_ask_again(self) -> None:
        outages = Outages()
        for _ in range(3):
            self.take_in(outages, WELL, IP)
            assert not outages.suspected("ngw-1")
        assert "is not bound" in outages.why("ngw-1", "9.9.9.9"), "its claim is told so"

    def test_one_with_entries_of_ours_is(self) -> None:
        outages = Outages()
        self.take_in(outages, gateway(), IP)
        assert outages.suspected("ngw-1")

    def test_one_that_was_bound_is_though_it_has_no_entry(self) -> None:
        outages = Outages()
        self.take_in(outages, WELL)
        self.take_in(outages, gateway())
        assert outages.suspected("ngw-1"), "a fixed pod that is away may claim it"
        outages.take_in(gateway(), ["9.9.9.9"], list)
        self.take_in(outages, gateway())
        assert not outages.suspected("ngw-1"), "nobody has claimed it since"
