"""What a refusal is held against: an endpoint, an EIP, a gateway, or nothing."""

from __future__ import annotations

import pytest

from dnatctl.cloud.errors import CloudError, ErrorKind
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.blame import Blame
from dnatctl.table.writes import PendingWrite
from tests.unit.control.gateway.made import LOBBY, AtWork, create, delete, entry
from tests.unit.table.made import EIP, GATEWAY, reading, row, uid

ODD = CloudError(
    Operation.CREATE, ErrorKind.UNCLASSIFIED, code="Odd", message="words", request_id="r-1"
)


@pytest.fixture
def it() -> AtWork:
    return AtWork()


@pytest.fixture
def blame(it: AtWork) -> Blame:
    return Blame(GATEWAY, it.views, it.heard)


def flaw(it: AtWork, ip: str = EIP) -> str:
    return it.views.pool.trust.flaw(GATEWAY, ip, it.clock.monotonic())


def test_what_nothing_can_be_made_on_is_passed_over_and_people_told_why(it, blame):
    blame.everything(EIP, ODD)
    assert "Odd: words (request r-1)" in flaw(it)
    assert it.heard.gateways == [GATEWAY]
    blame.everything(EIP, ODD)
    assert it.heard.gateways == [GATEWAY], "no news"


def test_it_is_trusted_again_as_soon_as_a_row_was_made_on_it(it, blame):
    blame.everything(EIP, ODD)
    blame.accepted(uid(1), EIP)
    assert flaw(it) == ""
    assert it.heard.gateways == [GATEWAY, GATEWAY]


def test_an_ip_on_which_creates_alone_get_no_answer_is_passed_over_too(it, blame):
    blame.given_up(EIP, CloudError(Operation.CREATE, ErrorKind.UNKNOWN, message="timed out"))
    assert flaw(it).endswith("while others are accepted: CreateForwardEntry: timed out")
    assert it.heard.gateways == [GATEWAY]
    blame.accepted(uid(1), EIP)
    assert flaw(it) == ""


def test_an_unknown_word_is_held_against_the_endpoint(it, blame):
    (endpoint,) = it.stored(it.record()).spec.endpoints()
    blame.unforeseen(uid(1), entry(), ODD)
    assert it.views.pool.trust.spurns(uid(1), endpoint)


def test_unless_the_table_says_what_is_wrong(it, blame):
    now = it.clock.monotonic()
    it.views.table(GATEWAY).merge(reading(now, row("fwd-9", f"{EIP}:600", "10.0.0.9:80")), now)
    (endpoint,) = it.stored(it.record()).spec.endpoints()
    blame.unforeseen(uid(1), entry(), ODD)
    assert not it.views.pool.trust.spurns(uid(1), endpoint)


def test_who_went_before_the_answer_came_is_not_remembered(it, blame):
    """Else each PodDNAT that goes by force is, for as long as the process runs."""
    record, trust = it.stored(it.record()), it.views.pool.trust
    (endpoint,) = record.spec.endpoints()
    blame.accepted(record.uid, EIP)
    assert trust.is_served(record.uid)
    it.gone(record)
    blame.accepted(record.uid, EIP)
    assert not trust.is_served(record.uid)
    blame.unforeseen(record.uid, entry(), ODD)
    assert not trust.spurns(record.uid, endpoint)


@pytest.mark.parametrize("write", [create(), delete()])
def test_what_has_the_address_is_not_its_own_row_where_none_was_given_up(blame, write):
    assert not blame.is_own(PendingWrite(uid(1), LOBBY.namespace, write))
