"""ClientTokens: one effect however often a call is repeated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnatctl_sim.cloud import Fault
from tests.integration.sim.cloud_support import Site, refused


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


def test_a_repeated_create_gets_the_same_id_and_no_second_row(site: Site) -> None:
    first = site.create(client_token="t1")
    # Also while the row it made is in flux: a replay does not queue for the table.
    assert site.create(client_token="t1") == first
    site.settle()
    assert site.create(client_token="t1") == first
    assert [row["entry_id"] for row in site.rows()] == [first]
    assert site.cloud.counters()["replays"] == 2


def test_without_a_token_a_repeated_create_is_a_second_one(site: Site) -> None:
    site.created()
    with refused("OperationUnsupported.DuplicatedForwardEntry"):
        site.create()


def test_a_replay_may_name_a_row_that_is_gone(site: Site) -> None:
    entry_id = site.created(client_token="t1")
    site.delete(entry_id)
    site.settle()
    assert site.create(client_token="t1") == entry_id
    assert site.rows() == []


def test_repeated_deletes_and_modifies_succeed(site: Site) -> None:
    entry_id = site.created()
    for _ in range(2):
        site.modify(entry_id, internal_port="81", client_token="m1")
    site.settle()
    for _ in range(2):
        site.delete(entry_id, client_token="d1")
    site.settle()
    site.delete(entry_id, client_token="d1")
    assert site.rows() == []


@pytest.mark.parametrize("status", [400, 409])
def test_a_token_for_another_request_is_refused(site: Site, status: int) -> None:
    site.cloud.set_knobs(mismatch_status=status)
    site.created(client_token="t1")
    with refused("IdempotentParameterMismatch", status):
        site.create(513, client_token="t1")
    assert len(site.rows()) == 1


def test_tokens_are_case_sensitive(site: Site) -> None:
    site.created(512, "172.16.0.1", client_token="t1")
    site.create(513, "172.16.0.2", client_token="T1")
    assert len(site.rows()) == 2


@pytest.mark.parametrize("token", ["x" * 65, "zeichen-ä"])
def test_malformed(site: Site, token: str) -> None:
    with refused("InvalidClientToken.Malformed", 400):
        site.create(client_token=token)


def test_the_longest(site: Site) -> None:
    first = site.create(client_token="x" * 64)
    assert site.create(client_token="x" * 64) == first


def test_a_token_in_use_by_a_call_under_way(site: Site) -> None:
    site.cloud.set_knobs(write_latency=0.4)
    slow_create = site.under_way(lambda: site.create(client_token="t1"))
    with slow_create as slow, refused("LastTokenProcessing"):
        site.create(client_token="t1")
    entry_id = slow.result()
    assert site.create(client_token="t1") == entry_id


@pytest.mark.parametrize(
    ("sticky", "after"), [("final", "QuotaExceeded"), ("all", "QuotaExceeded"), ("none", "")]
)
def test_a_refusal_sticks_to_its_token(site: Site, sticky: str, after: str) -> None:
    site.cloud.set_knobs(sticky=sticky, quota=0)
    with refused("QuotaExceeded"):
        site.create(client_token="t1")
    site.cloud.set_knobs(quota=100)
    if after:
        with refused(after):
            site.create(client_token="t1")
        site.create(client_token="t2")
    else:
        site.create(client_token="t1")
    assert len(site.rows()) == 1


@pytest.mark.parametrize(("sticky", "sticks"), [("final", False), ("all", True), ("none", False)])
def test_busy_sticks_only_if_all_does(site: Site, sticky: str, sticks: bool) -> None:
    site.cloud.set_knobs(sticky=sticky)
    site.create(512, "172.16.0.1")
    with refused("IncorretForwardEntryStatus"):
        site.create(513, "172.16.0.2", client_token="t1")
    site.settle()
    if sticks:
        with refused("IncorretForwardEntryStatus"):
            site.create(513, "172.16.0.2", client_token="t1")
    else:
        site.create(513, "172.16.0.2", client_token="t1")


def test_a_token_is_forgotten_in_time(site: Site) -> None:
    site.cloud.set_knobs(token_ttl=100)
    first = site.created(client_token="t1")
    site.delete(first)
    site.clock.advance(98.9)
    assert site.create(client_token="t1") == first
    site.clock.advance(0.2)
    assert site.create(client_token="t1") != first
    assert len(site.rows()) == 1


def test_a_dry_run_does_not_use_its_token(site: Site) -> None:
    with refused("DryRunOperation"):
        site.create(client_token="t1", dry_run=True)
    site.create(client_token="t1")
    assert len(site.rows()) == 1


@pytest.mark.parametrize(("stage", "committed"), [("during", False), ("after", True)])
def test_after_a_server_error_the_token_tells_whether_it_happened(
    site: Site, stage: str, committed: bool
) -> None:
    site.cloud.add_fault(Fault(action="error", stage=stage, apis=["CreateForwardEntry"]))
    with refused("InternalError", 500):
        site.create(client_token="t1")
    assert bool(site.rows()) == committed
    entry_id = site.create(client_token="t1")
    assert [row["entry_id"] for row in site.rows()] == [entry_id]
    assert [call.replayed for call in site.cloud.calls()] == [False, committed]
