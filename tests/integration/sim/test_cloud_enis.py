"""The network interfaces behind pod IPs."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import pytest

from dnatctl_sim.cloud.spec import REGION, VPC_ID
from tests.integration.sim.cloud_support import Site, refused


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


def _describe(site: Site, **more: Any) -> Any:
    from alibabacloud_ecs20140526 import models

    request = models.DescribeNetworkInterfacesRequest(**({"region_id": REGION} | more))
    return site.ecs.describe_network_interfaces(request).body


def _enis(site: Site, *ips: str, **more: Any) -> list[Any]:
    asked = {"private_ip_address": list(ips), "vpc_id": VPC_ID} | more
    return list(_describe(site, **asked).network_interface_sets.network_interface_set)


def _addresses(eni: Any) -> list[str]:
    return [one.private_ip_address for one in eni.private_ip_sets.private_ip_set]


def test_every_pod_address_has_one(site: Site) -> None:
    (eni,) = _enis(site, "172.17.3.7")
    assert "172.17.3.7" in _addresses(eni)
    assert (eni.v_switch_id, eni.zone_id) == ("vsw-bp1pods1", "cn-hangzhou-k")
    assert eni.vpc_id == VPC_ID
    assert eni.status == "InUse"


def test_neighbours_share_one_and_it_stays_the_same(site: Site) -> None:
    (first,) = _enis(site, "172.16.0.21", "172.16.0.29")
    (again,) = _enis(site, "172.16.0.25")
    assert first.network_interface_id == again.network_interface_id
    (other,) = _enis(site, "172.16.0.30")
    assert other.network_interface_id != first.network_interface_id
    assert [one.primary for one in first.private_ip_sets.private_ip_set] == [True] + [False] * 9


def test_only_those_with_an_address_asked_for_come_back(site: Site) -> None:
    enis = _enis(site, "172.16.0.1", "172.18.0.1", "192.168.0.1", "10.0.200.1")
    assert {eni.v_switch_id for eni in enis} == {"vsw-bp1pods0", "vsw-bp1pods2"}


def test_unknown_addresses(site: Site) -> None:
    site.acts.set_unknown_ip("172.16.0.25")
    assert _enis(site, "172.16.0.25") == []
    (neighbour,) = _enis(site, "172.16.0.24")
    assert "172.16.0.25" not in _addresses(neighbour)
    site.cloud.set_knobs(synthesize_enis=False)
    assert _enis(site, "172.16.0.24") == []


def test_an_address_with_an_eip_of_its_own(site: Site) -> None:
    site.acts.set_public_ip("172.16.0.25", "198.51.100.7")
    (eni,) = _enis(site, "172.16.0.25")
    public = {
        one.private_ip_address: (one.associated_public_ip or None)
        and one.associated_public_ip.public_ip_address
        for one in eni.private_ip_sets.private_ip_set
    }
    assert public.pop("172.16.0.25") == "198.51.100.7"
    assert set(public.values()) == {None}


def test_a_declared_one_comes_first(site: Site) -> None:
    site.acts.add_eni(
        id="eni-own", vswitch="vsw-bp1pods2", zone="cn-hangzhou-i", ips=["172.16.0.25"],
        public_ips={"172.16.0.25": "198.51.100.8"}, trunk="eni-trunk",
    )  # fmt: skip
    (eni,) = _enis(site, "172.16.0.25")
    assert (eni.network_interface_id, eni.zone_id) == ("eni-own", "cn-hangzhou-i")
    assert eni.attachment.trunk_network_interface_id == "eni-trunk"
    assert eni.associated_public_ip.public_ip_address == "198.51.100.8"
    with refused("Forbindden"):
        site.create(ip="172.16.0.25")


def test_another_vpc_has_none_of_them(site: Site) -> None:
    assert _enis(site, "172.16.0.1", vpc_id="vpc-other") == []


def test_the_filter_may_not_see_primary_addresses(site: Site) -> None:
    (eni,) = _enis(site, "172.16.0.25")
    primary = eni.private_ip_address
    assert len(_enis(site, primary)) == 1
    site.cloud.set_knobs(filter_matches_primary=False)
    assert _enis(site, primary) == []
    assert len(_enis(site, "172.16.0.25")) == 1
    (by_primary,) = _enis(site, primary_ip_address=primary)
    assert by_primary.network_interface_id == eni.network_interface_id


def test_100_addresses_are_the_most(site: Site) -> None:
    ips = [f"172.16.1.{n}" for n in range(101)]
    assert len(_enis(site, *ips[:100], max_results=500)) == 11  # 256 is no multiple of 10
    with refused("InvalidParameter", 400):
        _enis(site, *ips)


@pytest.mark.parametrize(("asked", "given"), [(None, 10), (5, 10), (20, 20), (25, 25), (900, 40)])
def test_pages_by_token(site: Site, asked: int | None, given: int) -> None:
    ips = [f"172.16.{n}.0" for n in range(40)]
    request = {"private_ip_address": ips, "vpc_id": VPC_ID, "max_results": asked}
    first = _describe(site, **request)
    assert len(first.network_interface_sets.network_interface_set) == given
    assert first.total_count == 0
    seen = [e.network_interface_id for e in first.network_interface_sets.network_interface_set]
    token, pages = first.next_token, 1
    while token:
        pages += 1
        body = _describe(site, **request, next_token=token)
        seen += [e.network_interface_id for e in body.network_interface_sets.network_interface_set]
        token = body.next_token
    assert len(seen) == len(set(seen)) == 40
    assert pages == ceil(40 / given)


def test_refusals(site: Site) -> None:
    with refused("InvalidRegionId.MalFormed", 400):
        _describe(site, region_id="cn-nowhere")
    with refused("InvalidParameter"):
        _enis(site, "172.16.0.1", next_token="made-up")
    with refused("InvalidParameter"):
        _enis(site, "not-an-ip")
