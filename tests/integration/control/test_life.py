"""The life of an exposure, on the emulators, with everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.stage import Stage, eventually, stage


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        running.start_controller()
        yield running


def test_an_annotated_pod_gets_its_endpoint_and_gives_it_back(it: Stage) -> None:
    it.pod("web")
    (entry,) = it.ready("web")
    (row,) = it.own_rows()
    assert row["works"]
    assert entry["forwardEntryId"] == row["entry_id"]
    assert (entry["externalPort"], entry["internalPort"]) == ("512", "80")
    it.delete_pod("web")
    it.gone("web")
    assert it.own_rows() == []


def test_ports_of_both_protocols_share_one_external_ip(it: Stage) -> None:
    it.pod("web", "80,443/tcp,7000-7002/udp")
    entries = it.ready("web", 5)
    assert len({entry["externalIP"] for entry in entries}) == 1
    assert [entry["internalPort"] for entry in entries] == ["80", "443", "7000", "7001", "7002"]
    assert all(row["works"] for row in it.own_rows())


def test_a_pod_that_turns_it_off_keeps_nothing(it: Stage) -> None:
    it.pod("web")
    it.ready("web")
    it.annotate("web", switch="false")
    it.gone("web")
    assert it.own_rows() == []
    it.annotate("web", switch="true")
    it.ready("web")


def test_a_pod_with_a_new_ip_keeps_its_endpoint(it: Stage) -> None:
    it.pod("web")
    (before,) = it.ready("web")
    ip = it.kube.kubelet.restart("default", "web")
    after = eventually(lambda: [e for e in it.entries("web") if e["internalIP"] == ip])
    assert after[0]["externalPort"] == before["externalPort"]
    assert [row["internal_ip"] for row in it.own_rows()] == [ip]


def test_an_entry_deleted_by_hand_comes_back(it: Stage) -> None:
    it.pod("web")
    (entry,) = it.ready("web")
    it.acts.delete_entry(entry["forwardEntryId"])
    eventually(lambda: [r for r in it.own_rows() if r["entry_id"] != entry["forwardEntryId"]])
    again = eventually(
        lambda: [e for e in it.entries("web") if e["forwardEntryId"] != entry["forwardEntryId"]]
    )
    assert again[0]["externalPort"] == entry["externalPort"]
