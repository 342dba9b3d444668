"""What a pod asks for: every form of every annotation, and what is said of those that are wrong."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.model import PortRange
from dnatctl.objects import Key, Owner, Pod
from dnatctl.plan.exposure import (
    FIXED,
    MAX_TEXT,
    PORTS,
    PROTOCOL,
    SWITCH,
    Ask,
    Exposure,
    Problem,
    Rules,
    owner_for,
    read_exposure,
)
from tests.unit.table.made import TCP, UDP

SET = Owner("apps/v1", "StatefulSet", "lobby", "uid-set", controller=True)
DEPLOYMENT = Owner("apps/v1", "ReplicaSet", "lobby-abc", "uid-rs", controller=True)
ANY = Rules()
ON = {SWITCH: "true", PORTS: "80"}


def pod(annotations: dict[str, str], **more) -> Pod:
    known = {"ips": ("10.0.0.1",), **more}
    return Pod(Key("games", "lobby-0"), "uid-pod", "1", annotations, **known)


def ports(text: str, protocol: str | None = None) -> tuple[tuple[int, object], ...]:
    more = {} if protocol is None else {PROTOCOL: protocol}
    exposure = read_exposure(pod({SWITCH: "true", PORTS: text, **more}), ANY)
    assert exposure.ask is Ask.ON, exposure.problem
    return exposure.ports


def complaint(annotations: dict[str, str], **more) -> str:
    """What is said of a pod with these annotations, which must be invalid."""
    exposure = read_exposure(pod(annotations, **more), ANY)
    assert exposure.ask is Ask.KEEP
    assert exposure.problem is not None
    assert exposure.problem.reason == "InvalidAnnotation"
    return exposure.problem.message


class TestSwitch:
    @pytest.mark.parametrize("value", ["", "true"])
    def test_on(self, value):
        exposure = read_exposure(pod({SWITCH: value, PORTS: "80"}), ANY)
        assert exposure == Exposure(Ask.ON, ((80, TCP),), "10.0.0.1")

    def test_off(self):
        assert read_exposure(pod({SWITCH: "false", PORTS: "80"}), ANY) == Exposure(Ask.OFF)

    @pytest.mark.parametrize("more", [{}, {PORTS: "80"}, {PORTS: "nonsense", FIXED: "nonsense"}])
    def test_absent_is_off_whatever_else_is_written(self, more):
        assert read_exposure(pod(more), ANY) == Exposure(Ask.OFF)

    def test_off_counts_though_other_values_are_invalid(self):
        """Turning it off is the way out of what was set up wrongly."""
        wrong = {SWITCH: "false", PORTS: "http", PROTOCOL: "sctp", FIXED: "maybe"}
        assert read_exposure(pod(wrong, owner=SET), ANY) == Exposure(Ask.OFF)

    @pytest.mark.parametrize("value", ["True", "yes", "1", " true", "off", "FALSE"])
    def test_anything_else_is_invalid(self, value):
        assert complaint({SWITCH: value, PORTS: "80"}) == (
            f'{SWITCH}: "{value}" is neither "", "true" nor "false"'
        )

    def test_a_long_value_is_cut(self):
        message = complaint({SWITCH: "x" * 5000, PORTS: "80"})
        assert message == f'{SWITCH}: "{"x" * 57}..." is neither "", "true" nor "false"'
        assert f'"{"x" * 60}"' in complaint({SWITCH: "x" * 60, PORTS: "80"})
        assert f'"{"x" * 57}..."' in complaint({SWITCH: "x" * 61, PORTS: "80"})


class TestPorts:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("80", [(80, TCP)]),
            ("80,443", [(80, TCP), (443, TCP)]),
            ("443,80", [(443, TCP), (80, TCP)]),
            (" 80 , 443 ", [(80, TCP), (443, TCP)]),
            ("1,65535", [(1, TCP), (65535, TCP)]),
            ("80/tcp", [(80, TCP)]),
            ("80/UDP", [(80, UDP)]),
            ("80/tcp,80/udp", [(80, TCP), (80, UDP)]),
            ("7000-7003/udp", [(p, UDP) for p in range(7000, 7004)]),
            ("7000-7000", [(7000, TCP)]),
            ("80/tcp,7000-7001/udp", [(80, TCP), (7000, UDP), (7001, UDP)]),
            ("1-32", [(p, TCP) for p in range(1, 33)]),
        ],
    )
    def test_valid(self, text, read):
        assert ports(text) == tuple(read)

    @pytest.mark.parametrize(
        "part",
        [
            *("0", "65536", "100000", "-80", "80-", "-", "80-90-95", "http", "8o", "80.5", "+80"),
            *("80 - 90", "0x50", "80;443", "000080", "0-3", "65535-65536", "80 /tcp"),
        ],
    )
    @pytest.mark.parametrize("form", ["{}", "22,{}", "{},22"])
    def test_what_is_not_a_port_is_named(self, part, form):
        message = complaint({SWITCH: "", PORTS: form.format(part)})
        assert message == (
            f'{PORTS}: "{part}" is not a port: use 1 to 65535, a range such as 7000-7003, '
            "and /tcp or /udp behind either"
        )

    @pytest.mark.parametrize("name", ["sctp", "", "any"])
    def test_what_is_not_a_protocol_is_named(self, name):
        message = complaint({SWITCH: "", PORTS: f"80/{name}"})
        assert message == f'{PORTS}: "{name}" is neither tcp nor udp'

    def test_a_range_that_ends_before_it_begins(self):
        assert complaint({SWITCH: "", PORTS: "80,7003-7000/udp"}) == (
            f'{PORTS}: "7003-7000/udp" ends before it begins'
        )

    @pytest.mark.parametrize(
        ("text", "twice"),
        [
            ("80,80", "80/tcp"),
            ("80,80/tcp", "80/tcp"),
            ("7000-7002/udp,7002/udp", "7002/udp"),
            ("7000-7002,7001-7005", "7001/tcp"),
        ],
    )
    def test_twice(self, text, twice):
        assert complaint({SWITCH: "", PORTS: text}) == f"{PORTS}: {twice} is named twice"

    @pytest.mark.parametrize(
        ("text", "asked"),
        [("1-33", 33), ("1-65535", 65535), ("1-32,200", 33), ("1-20/tcp,1-20/udp,30-39", 50)],
    )
    def test_too_many(self, text, asked):
        """Who sets the number, and where, is said, and how many were asked for."""
        assert complaint({SWITCH: "", PORTS: text}) == (
            f"{PORTS}: {asked} ports are more than 32, the most that maxPortsPerPod in the"
            " controller's configuration allows"
        )

    def test_how_many_are_too_many_is_configured(self):
        many = pod({SWITCH: "", PORTS: "1-100"})
        assert len(read_exposure(many, Rules(max_ports=100)).ports) == 100
        exposure = read_exposure(many, Rules(max_ports=99))
        assert (exposure.ask, exposure.ports) == (Ask.KEEP, ())
        assert "100 ports are more than 99" in exposure.problem.message

    @pytest.mark.parametrize("name", [PORTS, PROTOCOL, FIXED])
    def test_too_long(self, name):
        notes = {SWITCH: "", PORTS: "80", name: " " * MAX_TEXT + "8"}
        assert complaint(notes) == f"{name} is longer than {MAX_TEXT} characters"

    def test_not_too_long(self):
        notes = {SWITCH: "", PORTS: "80".rjust(MAX_TEXT)}
        assert read_exposure(pod(notes), ANY).ports == ((80, TCP),)

    @pytest.mark.parametrize("annotations", [{}, {PORTS: ""}, {PORTS: "  "}])
    def test_none_at_all(self, annotations):
        assert complaint({SWITCH: "", **annotations}) == (
            f"{PORTS} is missing: name the ports to expose, such as 80,443"
        )

    @pytest.mark.parametrize("text", ["80,", ",80", "80,,443", ","])
    def test_an_empty_part(self, text):
        message = complaint({SWITCH: "", PORTS: text})
        assert message == f"{PORTS}: a comma has no port beside it: take it out"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            *(("\uff18\uff10", "FF18"), ("80\u3001443", "3001"), ("\u0668", "0668")),
            *(("80\u200b", "200B"), ("7000\u20137003", "2013"), ("80\u00a0/tcp", "00A0")),
            ("80\uff0ftcp", "FF0F"),
        ],
    )
    def test_what_only_looks_right_is_named_by_its_code(self, text, code):
        message = complaint({SWITCH: "", PORTS: text})
        assert f'"{text}" has the character U+{code}: use the plain digits 0 to 9' in message

    @pytest.mark.parametrize("between", ["/", ":", "~", "..", "...", "_"])
    def test_other_programs_ranges(self, between):
        message = complaint({SWITCH: "", PORTS: f"80,7000{between}7003"})
        assert f'"7000{between}7003" is not a port: a range is written 7000-7003' in message
        assert "a public port cannot be chosen" in message

    def test_the_widest_of_them(self):
        assert "a range is written 1-65535" in complaint({SWITCH: "", PORTS: "1:65535"})

    @pytest.mark.parametrize("text", ["8080:80", "80:80"])
    def test_who_wants_to_choose_the_public_port_is_not_told_of_ranges(self, text):
        message = complaint({SWITCH: "", PORTS: text})
        assert message.endswith(f'"{text}" is not a port: a public port cannot be chosen')

    @pytest.mark.parametrize("both", ["tcp/udp", "tcp udp", "UDP+tcp", "tcp,udp"])
    def test_who_wants_both_protocols_is_told_how(self, both):
        message = complaint({SWITCH: "", PORTS: "80", PROTOCOL: both})
        assert f'"{both}" is neither tcp nor udp; for both write each port twice' in message
        assert message.endswith("such as 80/tcp,80/udp")

    def test_behind_a_port_too(self):
        assert "for both write" in complaint({SWITCH: "", PORTS: "80/tcp/udp"})

    def test_what_is_nearly_ours_is_named_beside_what_is_missing(self):
        near = "the pod has the annotation export-port; did you mean expose-port?"
        message = complaint({SWITCH: ""}, near=(near,))
        assert message.startswith(f"{PORTS} is missing")
        assert message.endswith(f"; {near}")

    @given(st.text(max_size=40))
    def test_whatever_is_written_is_understood_or_complained_about(self, text):
        exposure = read_exposure(pod({SWITCH: "", PORTS: text}), ANY)
        if exposure.ask is Ask.ON:
            assert 1 <= len(exposure.ports) <= ANY.max_ports
            assert len(set(exposure.ports)) == len(exposure.ports)
            assert all(1 <= port <= 65535 for port, _ in exposure.ports)
        else:
            assert (exposure.ask, exposure.ports) == (Ask.KEEP, ())
            assert exposure.problem is not None
            assert exposure.problem.message.startswith(PORTS)


class TestProtocol:
    @pytest.mark.parametrize(
        ("value", "protocol"), [(None, TCP), ("", TCP), ("tcp", TCP), ("udp", UDP), ("UDP", UDP)]
    )
    def test_counts_for_ports_that_name_none(self, value, protocol):
        assert ports("80,443", value) == ((80, protocol), (443, protocol))

    def test_and_not_for_those_that_do(self):
        assert ports("80/tcp,443,53/udp", "udp") == ((80, TCP), (443, UDP), (53, UDP))

    @pytest.mark.parametrize("value", ["sctp", "http", "any", " "])
    def test_anything_else_is_invalid(self, value):
        message = complaint({SWITCH: "", PORTS: "80/tcp", PROTOCOL: value})
        assert message == f'{PROTOCOL}: "{value}" is neither tcp nor udp'


class TestFixed:
    @pytest.mark.parametrize(
        ("value", "fixed"), [("", True), ("true", True), ("false", False), (None, False)]
    )
    def test_of_a_stateful_workload(self, value, fixed):
        more = {} if value is None else {FIXED: value}
        exposure = read_exposure(pod({**ON, **more}, owner=SET), ANY)
        assert exposure.fixed is fixed

    @pytest.mark.parametrize("owner", [None, DEPLOYMENT])
    def test_of_no_other(self, owner):
        exposure = read_exposure(pod({**ON, FIXED: ""}, owner=owner), ANY)
        assert (exposure.ask, exposure.fixed) == (Ask.ON, False)

    def test_kinds_can_be_configured(self):
        custom = Owner("apps.kruise.io/v1beta1", "AdvancedSet", "lobby", "uid", controller=True)
        rules = Rules(stateful_kinds=frozenset({"AdvancedSet"}))
        assert read_exposure(pod({**ON, FIXED: ""}, owner=custom), rules).fixed
        assert not read_exposure(pod({**ON, FIXED: ""}, owner=SET), rules).fixed

    @pytest.mark.parametrize("owner", [None, SET])
    def test_anything_else_is_invalid(self, owner):
        message = complaint({**ON, FIXED: "24h"}, owner=owner)
        assert message == f'{FIXED}: "24h" is neither "", "true" nor "false"'

    def test_the_record_belongs_to_the_workload_then(self):
        fixed = pod({**ON, FIXED: ""}, owner=SET)
        assert owner_for(fixed, read_exposure(fixed, ANY)) == SET
        plain = pod(ON, owner=SET)
        assert owner_for(plain, read_exposure(plain, ANY)) == Owner(
            "v1", "Pod", "lobby-0", "uid-pod"
        )


class TestState:
    def test_a_pod_that_is_gone_has_ended(self):
        assert read_exposure(None, ANY) == Exposure(Ask.ENDED)

    @pytest.mark.parametrize("annotations", [ON, {}, {SWITCH: "nonsense"}, {**ON, FIXED: "x"}])
    def test_a_pod_that_has_ended_asks_for_nothing_whatever_it_says(self, annotations):
        ended = pod(annotations, ended=True, owner=SET)
        assert read_exposure(ended, ANY) == Exposure(Ask.ENDED)

    def test_a_pod_that_is_being_deleted_still_asks(self):
        assert read_exposure(pod(ON, deleting=True), ANY).ask is Ask.ON

    def test_without_an_address_it_has_to_wait(self):
        exposure = read_exposure(pod(ON, ips=()), ANY)
        assert exposure == Exposure(Ask.NO_ADDRESS, ((80, TCP),))

    @pytest.mark.parametrize("ips", [("10.0.0.1", "fd00::1"), ("fd00::1", "10.0.0.1")])
    def test_of_two_families_ipv4_counts(self, ips):
        assert read_exposure(pod(ON, ips=ips), ANY).ip == "10.0.0.1"

    def test_what_is_invalid_keeps_its_address(self):
        exposure = read_exposure(pod({SWITCH: "", PORTS: "x"}), ANY)
        assert (exposure.ip, exposure.ports) == ("10.0.0.1", ())


class TestRefused:
    VPC = Rules(networks=(IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16")))
    DENIED_PORT = (
        f"{PORTS}: port 80/tcp may not be exposed: deniedPorts in the controller's configuration"
        " has 79-81"
    )
    NO_IPV4 = "the pod has no IPv4 address, and DNAT is IPv4 only"

    @pytest.mark.parametrize(
        ("more", "rules", "reason", "says"),
        [
            (
                {},
                Rules(denial=lambda _: "namely"),
                "NamespaceDenied",
                "namespace games may not expose pods: namely in the controller's configuration",
            ),
            (
                {},
                Rules(denied_ports=(PortRange(22, 22), PortRange(79, 81))),
                "PortDenied",
                DENIED_PORT,
            ),
            (
                {"host_network": True},
                ANY,
                "HostNetwork",
                "a hostNetwork pod has its node's address: DNAT cannot tell it from its neighbours",
            ),
            (
                {"virtual": "its node"},
                ANY,
                "VirtualNode",
                "pods on ECI or virtual nodes cannot be reached through DNAT; its node says so",
            ),
            ({"ips": ("fd00::1",)}, ANY, "NoIPv4", NO_IPV4),
            ({"ips": ("::ffff:10.0.0.1",)}, VPC, "NoIPv4", NO_IPV4),
            (
                {"ips": ("172.16.0.9",)},
                VPC,
                "OutsideVPC",
                "pod IP 172.16.0.9 is not in vpcCIDRs (10.0.0.0/8, 192.168.0.0/16)",
            ),
        ],
    )
    def test_with_a_reason(self, more, rules, reason, says):
        exposure = read_exposure(pod(ON, **more), rules)
        assert exposure.ask is Ask.KEEP
        assert exposure.problem == Problem(reason, says)
        assert exposure.ports == ((80, TCP),)
        assert exposure.refused is True
        assert exposure.banned is (reason == "NamespaceDenied"), "what it has is let go"
        assert exposure.unfit is (reason not in ("NamespaceDenied", "PortDenied"))

    @pytest.mark.parametrize(
        "nonsense", [{SWITCH: "x", PORTS: "80"}, {SWITCH: "", PORTS: "x"}, {**ON, PROTOCOL: "x"}]
    )
    @pytest.mark.parametrize(
        ("more", "rules", "reason"),
        [
            ({}, Rules(denial=lambda _: "namely"), "NamespaceDenied"),
            ({"host_network": True}, ANY, "HostNetwork"),
            ({"virtual": "its node"}, ANY, "VirtualNode"),
            ({"ips": ("fd00::1",)}, ANY, "NoIPv4"),
            ({"ips": ("172.16.0.9",)}, VPC, "OutsideVPC"),
        ],
    )
    def test_nonsense_is_no_way_round_it(self, nonsense, more, rules, reason):
        """What a pod keeps that asks for nonsense is repaired for it."""
        exposure = read_exposure(pod(nonsense, **more), rules)
        assert (exposure.ask, exposure.problem.reason) == (Ask.KEEP, reason)
        assert exposure.refused
        assert exposure.banned is (reason == "NamespaceDenied")
        assert exposure.unfit is (reason != "NamespaceDenied")

    def test_nothing_is_led_to_a_node_whatever_else_is_refused(self):
        denied = Rules(denial=lambda _: "namely")
        exposure = read_exposure(pod(ON, host_network=True), denied)
        assert exposure.problem.reason == "NamespaceDenied"
        assert exposure.unfit

    @pytest.mark.parametrize("value", ["", "true"])
    def test_a_fixed_one_that_asks_for_nonsense_is_fixed_still(self, value):
        owner = Owner("apps/v1", "StatefulSet", "lobby", "uid-set", controller=True)
        asked = {SWITCH: "", PORTS: "x", FIXED: value}
        denied = Rules(denial=lambda _: "namely")
        assert read_exposure(pod(asked, owner=owner), denied).fixed
        assert not read_exposure(pod(asked), denied).fixed
        assert not read_exposure(pod(asked | {FIXED: "x"}, owner=owner), denied).fixed

    @pytest.mark.parametrize("ip", ["10.200.1.1", "192.168.0.1"])
    def test_any_network_of_the_vpc_will_do(self, ip):
        assert read_exposure(pod(ON, ips=(ip,)), self.VPC).ask is Ask.ON

    def test_without_an_address_there_is_nothing_to_refuse_yet(self):
        assert read_exposure(pod(ON, ips=()), self.VPC).ask is Ask.NO_ADDRESS

    def test_the_namespace_is_asked_about_by_name(self):
        rules = Rules(denial=lambda namespace: "" if namespace == "games" else "no")
        assert read_exposure(pod(ON), rules).ask is Ask.ON

    @pytest.mark.parametrize("fixed", [False, True])
    def test_what_is_fixed_is_so_all_the_same(self, fixed):
        """So that its claim outlasts the refusal."""
        annotations = {**ON, FIXED: ""} if fixed else ON
        exposure = read_exposure(pod(annotations, host_network=True, owner=SET), ANY)
        assert (exposure.refused, exposure.fixed) == (True, fixed)

    def test_off_needs_no_refusal(self):
        denied = Rules(denial=lambda _: "no")
        assert read_exposure(pod({}, host_network=True), denied) == Exposure(Ask.OFF)


class TestRemarks:
    """What may have been meant otherwise keeps nothing from being done."""

    @pytest.mark.parametrize(
        ("owner", "whose"),
        [
            (None, "has no workload"),
            (Owner("apps/v1", "ReplicaSet", "web-1", "u"), "belongs to ReplicaSet web-1"),
        ],
    )
    def test_fixed_where_no_name_is_kept(self, owner, whose):
        rules = Rules(stateful_kinds=frozenset({"GameServerSet", "StatefulSet"}))
        exposure = read_exposure(pod({**ON, FIXED: "true"}, owner=owner), rules)
        assert exposure.ask is Ask.ON
        text = (
            f"{FIXED} has no effect: the pod {whose}, and endpoints are kept for pods of"
            " GameServerSet, StatefulSet (more kinds: customStatefulWorkloadKinds in the"
            " controller's configuration)"
        )
        assert exposure.remarks == (Problem("FixedIgnored", text),)

    @pytest.mark.parametrize("value", ["false", None])
    def test_not_where_it_is_not_asked_for(self, value):
        annotations = {**ON, FIXED: value} if value else ON
        assert read_exposure(pod(annotations), ANY).remarks == ()

    def test_not_of_a_stateful_workload(self):
        assert read_exposure(pod({**ON, FIXED: ""}, owner=SET), ANY).remarks == ()

    @pytest.mark.parametrize("annotations", [ON, {}])
    def test_keys_that_are_nearly_ours(self, annotations):
        exposure = read_exposure(pod(annotations, near=("a", "b")), ANY)
        assert exposure.remarks == (Problem("AnnotationIgnored", "a; b"),)

    @pytest.mark.parametrize(
        ("ports", "counted", "reasons"),
        [
            ("7777-7778", True, ["RangeMiscounted"]),
            ("80,7777-7779/udp", True, ["RangeMiscounted"]),
            ("7777,7778", True, []),
            ("7777-7777", True, []),
            ("7777-7778", False, []),
        ],
    )
    def test_a_range_of_a_game_server_whose_entries_are_counted(self, ports, counted, reasons):
        exposure = read_exposure(pod({SWITCH: "", PORTS: ports}, counted=counted), ANY)
        assert exposure.ask is Ask.ON
        assert [remark.reason for remark in exposure.remarks] == reasons

    def test_which_is_told_how_to_be_counted_right(self):
        asks = {SWITCH: "", PORTS: "80,7777-7779/udp"}
        text = (
            f"{PORTS} has 2 parts and stands for 4 ports: OpenKruiseGame takes the game server for"
            " ready at as many entries as there are parts. Name each port, as in 7777,7778"
        )
        told = read_exposure(pod(asks, counted=True), ANY).remarks
        assert told == (Problem("RangeMiscounted", text),)

    def test_not_of_a_pod_that_has_ended(self):
        assert read_exposure(pod(ON, near=("a",), ended=True), ANY).remarks == ()


class TestProblem:
    """What is news of what is told."""

    PLAIN = Problem("NamespaceQuota", "it is 10")
    DETAIL = Problem("NamespaceQuota", "it is 10", "2 rest")
    END = Problem("NamespaceQuota", "it is 10", end="over at ten")

    def test_is_told_with_its_end_or_its_detail(self):
        texts = [each.text for each in (self.PLAIN, self.DETAIL, self.END)]
        assert texts == ["it is 10", "it is 10 (2 rest)", "it is 10 (over at ten)"]

    @pytest.mark.parametrize(
        ("problem", "told", "is_said"),
        [
            (PLAIN, "it is 10", True),
            (PLAIN, "it is 100", False),
            (PLAIN, "it is 10 (2 rest)", False),
            (DETAIL, "it is 10", True),
            (DETAIL, "it is 10 (1 rest)", True),
            (DETAIL, "it is 100 (2 rest)", False),
            (END, "it is 10 (over at ten)", True),
            (END, "it is 10", False),
            (END, "it is 10 (over at nine)", False),
        ],
    )
    def test_is_said_by_a_text_of_the_same_message_and_end(self, problem, told, is_said):
        assert problem.is_said_by(told) is is_said

    @pytest.mark.parametrize(
        ("problem", "told", "is_known"),
        [
            (PLAIN, [], False),
            (PLAIN, [DETAIL], True),
            (DETAIL, [PLAIN], True),
            (PLAIN, [END], True),
            (END, [PLAIN], False),
            (END, [PLAIN, END], True),
            (END, [Problem("NamespaceQuota", "it is 10", end="over at nine")], False),
            (PLAIN, [Problem("NamespaceQuota", "it is 1")], False),
        ],
    )
    def test_is_known_to_who_was_told_of_it_and_of_its_end(self, problem, told, is_known):
        assert problem.is_among(told) is is_known
