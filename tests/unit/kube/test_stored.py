"""What a webhook or a foreign CRD makes of a write is noticed, and named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from dnatctl.kube import stored
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.objects import (
    FINALIZER,
    Endpoint,
    Key,
    Owner,
    PodDNAT,
    PodDNATSpec,
    PodDNATStatus,
    PortMapping,
    Protocol,
    StatusEntry,
)

OWNER = Owner("v1", "Pod", "web", "uid-pod", controller=True)
SPEC = PodDNATSpec(
    gateway_id="ngw-a",
    external_ip="203.0.113.1",
    internal_ip="10.0.0.1",
    ports=(PortMapping(512, 80, Protocol.TCP),),
    eni="eni-a",
    zone_id="cn-hangzhou-j",
)
ENTRY = StatusEntry(Endpoint("203.0.113.1", 512, Protocol.TCP), "10.0.0.1", 80, "fwd-a")
STATUS = PodDNATStatus(entries=(ENTRY,))
RECORD = PodDNAT(
    Key("games", "web"), "uid", "7", finalizers=(FINALIZER,), owners=(OWNER,), spec=SPEC,
    status=STATUS,
)  # fmt: skip


def named(check: Callable[[], object]) -> str:
    with pytest.raises(KubeError) as raised:
        check()
    assert raised.value.failure is Failure.INVALID
    return raised.value.message


def test_what_is_as_it_was_written_passes():
    assert stored.claim(RECORD, SPEC) is RECORD
    assert stored.metadata(RECORD, (FINALIZER,), (OWNER,)) is RECORD
    assert stored.metadata(RECORD, None, None) is RECORD
    assert stored.status(RECORD, STATUS) is RECORD


def test_what_others_add_is_theirs():
    other = Owner("apps/v1", "Deployment", "web", "uid-other", controller=False)
    more = replace(RECORD, finalizers=("example.com/a", FINALIZER), owners=(other, OWNER))
    assert stored.metadata(more, (FINALIZER,), (OWNER,)) is more


@pytest.mark.parametrize(
    ("lost", "name"),
    [
        ({"eni": ""}, "spec.eni"),
        ({"internal_ip": ""}, "spec.internalIP"),
        ({"ports": ()}, "spec.portMapping"),
        ({"gateway_id": "", "zone_id": ""}, "spec.zoneID, spec.tableId"),
    ],
)
def test_a_claim_that_is_another_is_named(lost, name):
    written = replace(RECORD, spec=replace(SPEC, **lost))
    assert named(lambda: stored.claim(written, SPEC)).startswith(f"{name} is not stored")


def test_so_is_one_whose_protocols_are_lost():
    """They stand in an annotation, where there are several."""
    mixed = replace(SPEC, ports=(*SPEC.ports, PortMapping(513, 81, Protocol.UDP)))
    tcp = replace(SPEC, ports=(*SPEC.ports, PortMapping(513, 81, Protocol.TCP)))
    written = replace(RECORD, spec=tcp)
    assert named(lambda: stored.claim(written, mixed)).startswith("spec.portMapping is not stored")


def test_so_is_a_finalizer_that_is_stripped_or_put_back():
    bare = replace(RECORD, finalizers=())
    for written, meant in ((bare, (FINALIZER,)), (RECORD, ())):
        said = named(lambda written=written, meant=meant: stored.metadata(written, meant, None))
        assert said.startswith("metadata.finalizers is not stored")


def test_so_are_owners_that_are_stripped():
    written = replace(RECORD, owners=())
    said = named(lambda: stored.metadata(written, None, (OWNER,)))
    assert said.startswith("metadata.ownerReferences is not stored")


def test_so_are_entries():
    written = replace(RECORD, status=PodDNATStatus())
    assert named(lambda: stored.status(written, STATUS)).startswith("status.entries is not stored")
