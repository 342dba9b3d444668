"""The vendor's answers are read with suspicion: what is odd is taken for what does least harm."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ecs20140526.models import DescribeNetworkInterfacesResponseBody
from alibabacloud_vpc20160428.models import (
    DescribeEipAddressesResponseBody,
    DescribeForwardTableEntriesResponseBody,
    DescribeNatGatewaysResponseBody,
)

from dnatctl.cloud import wire
from dnatctl.cloud.sdk import ApiHost
from dnatctl.model import (
    ALL_PORTS,
    Eni,
    EntryStatus,
    ForwardEntry,
    Gateway,
    GatewayEip,
    NewEntry,
    PortRange,
    Protocol,
)

ROW: dict[str, Any] = {
    "ForwardEntryId": "fwd-1",
    "ForwardTableId": "ftb-1",
    "ExternalIp": "203.0.113.1",
    "ExternalPort": "512",
    "InternalIp": "172.16.0.9",
    "InternalPort": "80",
    "IpProtocol": "tcp",
    "ForwardEntryName": "name",
    "Status": "Available",
}
ENTRY = ForwardEntry(
    "fwd-1", "203.0.113.1", PortRange(512, 512), "172.16.0.9", PortRange(80, 80),
    Protocol.TCP, "name", EntryStatus.AVAILABLE,
)  # fmt: skip


def read(**changes: object) -> ForwardEntry:
    body = DescribeForwardTableEntriesResponseBody().from_map(
        {"ForwardTableEntries": {"ForwardTableEntry": [ROW | changes]}}
    )
    return wire.entry(body.forward_table_entries.forward_table_entry[0])


def test_a_row_is_read() -> None:
    assert read() == ENTRY


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"ExternalPort": 512.0}, "ExternalPort '512.0'"),
        ({"InternalPort": "70000"}, "InternalPort '70000'"),
        ({"IpProtocol": "6"}, "IpProtocol '6'"),
        ({"IpProtocol": "Any", "ExternalPort": "all", "InternalPort": ""}, ""),
        ({"InternalIp": "010.0.0.1"}, "InternalIp '010.0.0.1'"),
        ({"InternalIp": "10.0.0.256"}, "InternalIp '10.0.0.256'"),
        ({"ExternalIp": 7, "IpProtocol": "x"}, "ExternalIp '7', IpProtocol 'x'"),
        ({"Status": "Whatever", "ForwardEntryName": None}, ""),
        ({"ExternalPort": "10/20", "InternalPort": "30/40", "IpProtocol": "udp "}, ""),
    ],
)
def test_what_of_a_row_makes_no_sense_is_said(changes: dict[str, object], said: str) -> None:
    assert read(**changes).senseless == said


@pytest.mark.parametrize("text", ["10.0.0.7", " 10.0.0.7", "10.0.0.7/32"])
def test_how_an_address_is_written_does_not_matter(text: str) -> None:
    """Else a row would be changed again and again, to what it is already."""
    row = read(ExternalIp=text, InternalIp=text)
    assert (row.external_ip, row.internal_ip) == ("10.0.0.7", "10.0.0.7")


@pytest.mark.parametrize("protocol", ["tcp", "TCP", "Tcp"])
def test_the_case_of_the_protocol_does_not_matter(protocol: str) -> None:
    assert read(IpProtocol=protocol) == ENTRY


def test_ports_may_be_numbers() -> None:
    assert read(ExternalPort=512, InternalPort=80) == ENTRY


def test_ranges_and_ip_mappings_are_read() -> None:
    assert read(ExternalPort="10/20").external_ports == PortRange(10, 20)
    mapping = read(ExternalPort="Any", InternalPort="any", IpProtocol="Any")
    assert (mapping.external_ports, mapping.internal_ports, mapping.protocol) == (
        ALL_PORTS, ALL_PORTS, None,
    )  # fmt: skip


@pytest.mark.parametrize("status", ["Pending", "Modifying", "Whatever", "", None])
def test_an_unknown_status_is_one_in_flux(status: str | None) -> None:
    assert read(Status=status).status is EntryStatus.PENDING


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Failed", "Failed"),
        (None, "of no status"),
        ("no " * 12, "no " * 10 + "no..."),
        ("pending",) * 2,
    ],
)
def test_people_are_told_a_status_as_the_cloud_words_it(status: str | None, state: str) -> None:
    assert read(Status=status).status_text.lower() == state.lower()


def test_the_case_of_the_status_does_not_matter() -> None:
    assert read(Status="available").status is EntryStatus.AVAILABLE
    assert read(Status="DELETING").status is EntryStatus.DELETING


@pytest.mark.parametrize(
    "port", ["", "x", None, "1-2", "0", "70000", "1/99999999999", "-5/7", "9/3"]
)
def test_ports_that_cannot_be_read_cover_all(port: str | None) -> None:
    assert read(ExternalPort=port).external_ports == ALL_PORTS


def test_an_unknown_protocol_covers_all() -> None:
    assert read(IpProtocol="sctp").protocol is None


def test_a_nameless_row_has_an_empty_name() -> None:
    assert read(ForwardEntryName=None).name == ""


def test_a_new_entry_is_written_in_the_vendors_terms() -> None:
    new = NewEntry(
        "203.0.113.1", PortRange(512, 515), "172.16.0.9", PortRange(80, 83), Protocol.UDP, "name"
    )
    assert wire.new_entry_fields("ftb-1", new) == {
        "forward_table_id": "ftb-1",
        "external_ip": "203.0.113.1",
        "external_port": "512/515",
        "internal_ip": "172.16.0.9",
        "internal_port": "80/83",
        "ip_protocol": "UDP",
        "forward_entry_name": "name",
        "port_break": None,
    }


GATEWAY: dict[str, Any] = {
    "NatGatewayId": "ngw-1",
    "VpcId": "vpc-1",
    "Status": "Available",
    "BusinessStatus": "Normal",
    "NetworkType": "internet",
    "ForwardTableIds": {"ForwardTableId": ["ftb-1"]},
    "IpLists": {"IpList": [{"IpAddress": "203.0.113.1", "UsingStatus": "Idle"}]},
    "NatGatewayPrivateInfo": {"IzNo": "cn-hangzhou-j"},
}
EIP: dict[str, Any] = {
    "IpAddress": "203.0.113.1",
    "Status": "InUse",
    "InstanceId": "ngw-1",
    "InstanceType": "Nat",
    "BusinessStatus": "Normal",
}


def judge(eips: list[dict[str, Any]], **changes: object) -> Gateway:
    body = DescribeNatGatewaysResponseBody().from_map(
        {"NatGateways": {"NatGateway": [GATEWAY | changes]}}
    )
    row = body.nat_gateways.nat_gateway[0]
    described = DescribeEipAddressesResponseBody().from_map({"EipAddresses": {"EipAddress": eips}})
    states = wire.rows(described.eip_addresses, "eip_address")
    return wire.gateway(row, "vpc-1", wire.gateway_eips(row, states))


def test_a_good_gateway_has_no_problem() -> None:
    eips = (GatewayEip("203.0.113.1", usable=True),)
    assert judge([EIP]) == Gateway("ngw-1", "ftb-1", "cn-hangzhou-j", "vpc-1", eips)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"VpcId": "vpc-2"}, "is in VPC vpc-2, not in vpc-1"),
        ({"NetworkType": "intranet"}, "is a VPC NAT gateway"),
        ({"Status": "Modifying"}, "is Modifying, not Available"),
        ({"Status": None}, "is None, not Available"),
        ({"BusinessStatus": "FinancialLocked"}, "is locked (FinancialLocked)"),
        ({"BusinessStatus": "Unheard"}, "is Unheard, not Normal"),
        ({"ForwardTableIds": None}, "has no forward table"),
        ({"ForwardTableIds": {"ForwardTableId": []}}, "has no forward table"),
        ({"ForwardTableIds": {"ForwardTableId": [None, ""]}}, "has no forward table"),
    ],
)
def test_what_is_wrong_with_a_gateway_is_told(changes: dict[str, object], told: str) -> None:
    assert told in judge([EIP], **changes).problem


@pytest.mark.parametrize(
    ("word", "locked"),
    [("FinancialLocked", True), ("SecurityLocked", True), ("Unlocked", False), ("Unheard", False),
     ("Normal", False), (None, False)],
)  # fmt: skip
def test_a_gateway_is_locked_where_the_word_says_so(word: str | None, locked: bool) -> None:
    """Else what is published there would be withdrawn for a word that nobody knows."""
    assert judge([EIP], BusinessStatus=word).locked is locked


def test_a_gateway_of_the_old_kind_has_no_zone() -> None:
    gateway = judge([EIP], NatGatewayPrivateInfo=None)
    assert (gateway.zone_id, gateway.problem) == ("", "")


def test_a_gateway_without_eips_is_no_problem() -> None:
    assert judge([], IpLists=None) == Gateway("ngw-1", "ftb-1", "cn-hangzhou-j", "vpc-1", ())


@pytest.mark.parametrize("listed", [["ftb-1", "ftb-2"], ["ftb-2", "ftb-1"]])
def test_of_several_tables_it_is_the_same_one_each_time(listed: list[str]) -> None:
    assert judge([], ForwardTableIds={"ForwardTableId": listed}).table_id == "ftb-1"


def test_a_gateway_that_is_absent_says_so() -> None:
    gateway = wire.absent_gateway("ngw-9")
    assert gateway.absent
    assert gateway.problem


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"Status": "Associating"}, "is Associating, not InUse"),
        ({"InstanceId": "ngw-2"}, "is not bound to this gateway"),
        ({"InstanceId": ""}, "is not bound to this gateway"),
        ({"BusinessStatus": "FinancialLocked"}, "is locked"),
        ({"BusinessStatus": "Unheard"}, "is Unheard, not Normal"),
        ({"OperationLocks": {"LockReason": [{}]}}, "has a lock that says nothing of its reason"),
        ({"OperationLocks": {"LockReason": [{}, {"LockReason": "financial"}]}}, "is locked"),
        ({"OperationLocks": {"LockReason": [{"LockReason": "security"}]}}, "is locked"),
    ],
)
def test_what_is_wrong_with_an_eip_is_told(changes: dict[str, object], told: str) -> None:
    locked = told == "is locked"
    eip = GatewayEip("203.0.113.1", usable=False, problem=told, locked=locked)
    assert judge([EIP | changes]).eips == (eip,)


def test_an_eip_that_is_hidden_from_the_credentials_is_not_said_to_be_unbound() -> None:
    (eip,) = judge([]).eips
    assert "is listed by its gateway and not shown by DescribeEipAddresses" in eip.problem
    assert "resource group" in eip.problem


def test_an_eip_on_one_list_only_is_not_used() -> None:
    bound = judge([EIP, EIP | {"IpAddress": "203.0.113.2"}]).eips
    assert [(eip.ip, eip.usable) for eip in bound] == [
        ("203.0.113.1", True), ("203.0.113.2", False),
    ]  # fmt: skip
    assert [eip.usable for eip in judge([]).eips] == [False]


@pytest.mark.parametrize("nameless", [None, "", " "])
def test_an_eip_without_its_address_is_passed_over(nameless: str | None) -> None:
    lists = {"IpList": [{"IpAddress": nameless}, {"IpAddress": "203.0.113.1"}]}
    eips = judge([EIP, EIP | {"IpAddress": nameless}], IpLists=lists).eips
    assert [(eip.ip, eip.usable) for eip in eips] == [("203.0.113.1", True)]


@pytest.mark.parametrize(
    ("using", "serves_snat"),
    [
        ("Idle", False),
        ("UsedByForwardTable", False),
        ("UsedBySnatTable", True),
        ("UsedByForwardSnatTable", True),
        (None, False),
    ],
)
def test_eips_that_serve_snat_are_known(using: str | None, serves_snat: bool) -> None:
    ip_list = {"IpList": [{"IpAddress": "203.0.113.1", "UsingStatus": using}]}
    assert judge([EIP], IpLists=ip_list).eips[0].serves_snat is serves_snat


INTERFACE: dict[str, Any] = {
    "NetworkInterfaceId": "eni-1",
    "VSwitchId": "vsw-1",
    "ZoneId": "cn-hangzhou-j",
    "PrivateIpAddress": "172.16.0.2",
    "PrivateIpSets": {
        "PrivateIpSet": [
            {"PrivateIpAddress": "172.16.0.2", "Primary": True},
            {
                "PrivateIpAddress": "172.16.0.3",
                "AssociatedPublicIp": {"PublicIpAddress": "203.0.113.9"},
            },
            {"PrivateIpAddress": "172.16.0.4"},
        ]
    },
}


def interfaces(**changes: object) -> dict[str, Eni]:
    body = DescribeNetworkInterfacesResponseBody().from_map(
        {"NetworkInterfaceSets": {"NetworkInterfaceSet": [INTERFACE | changes]}}
    )
    return dict(wire.enis(body.network_interface_sets.network_interface_set[0]))


def test_an_interface_is_told_once_for_each_of_its_addresses() -> None:
    ips = ("172.16.0.2", "172.16.0.3", "172.16.0.4")
    common = Eni("eni-1", "vsw-1", "cn-hangzhou-j", ips)
    assert interfaces() == {
        "172.16.0.2": common,
        "172.16.0.3": Eni("eni-1", "vsw-1", "cn-hangzhou-j", ips, "203.0.113.9"),
        "172.16.0.4": common,
    }


def test_a_public_address_of_the_interface_is_that_of_its_primary_address() -> None:
    found = interfaces(AssociatedPublicIp={"PublicIpAddress": "203.0.113.8"})
    assert {ip: eni.public_ip for ip, eni in found.items()} == {
        "172.16.0.2": "203.0.113.8", "172.16.0.3": "203.0.113.9", "172.16.0.4": "",
    }  # fmt: skip


@pytest.mark.parametrize("nameless", [None, ""])
def test_what_an_interface_lacks_is_not_made_up(nameless: str | None) -> None:
    sets = {"PrivateIpSet": [{"PrivateIpAddress": nameless}, {"PrivateIpAddress": "172.16.0.3"}]}
    found = interfaces(NetworkInterfaceId=nameless, ZoneId=nameless, PrivateIpSets=sets)
    ips = ("172.16.0.2", "172.16.0.3")
    assert found == dict.fromkeys(ips, Eni("", "vsw-1", "", ips))


def test_an_interface_may_have_its_primary_address_only() -> None:
    assert list(interfaces(PrivateIpSets=None)) == ["172.16.0.2"]


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("", ApiHost()),
        ("vpc.aliyuncs.com", ApiHost("vpc.aliyuncs.com", "https")),
        ("https://vpc.aliyuncs.com/", ApiHost("vpc.aliyuncs.com", "https")),
        ("http://127.0.0.1:9100", ApiHost("127.0.0.1:9100", "http")),
        ("127.0.0.1:9100", ApiHost("127.0.0.1:9100", "https")),
    ],
)
def test_endpoints_are_read(text: str, endpoint: ApiHost) -> None:
    assert ApiHost.parse(text) == endpoint


@pytest.mark.parametrize(
    "text", ["ftp://host", "https://", "http://host/path", "http://u:p@host", "http://h?x=1"]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        ApiHost.parse(text)
