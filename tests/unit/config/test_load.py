"""Files that work: the user's document, defaults, the environment on top."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import get_args

import pytest

from dnatctl.cli.options import connect_cloud
from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.operation import Operation
from dnatctl.cloud.providers import StaticProvider
from dnatctl.config import CredentialSetting, EntryPolicy, load, parse
from dnatctl.config.doubts import UNCALLED, doubts, misspelt
from dnatctl.config.load import ENVIRONMENT
from dnatctl.config.schema import Api
from dnatctl.model import PortRange
from tests.unit.config.samples import DOCUMENTED, MINIMAL


def test_the_file_of_the_older_program_works_as_its_document_has_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(DOCUMENTED, encoding="utf-8")
    config = load(file)
    assert config.cluster_id == "c11ba338192xxxxxxx"
    assert config.region_id == "cn-hangzhou"
    assert config.vpc_id == "vpc-bp1rkq0zxxxxxx"
    (gateway,) = config.gateways
    assert gateway.gateway_id == "ngw-xxx"
    assert gateway.zone_id == "cn-hangzhou-j"
    assert gateway.ports == PortRange(512, 1024)
    assert gateway.eips == ()
    assert config.credential.access_key.get_secret_value() == ""
    assert not list(doubts(config))


def test_what_is_left_out_has_a_default_that_suits_a_first_user() -> None:
    config = parse(MINIMAL)
    (gateway,) = config.gateways
    assert (gateway.zone_id, gateway.eips, gateway.max_entries) == (None, (), None)
    assert not gateway.pack_port_ranges
    assert config.credential.type is CredentialSetting.AUTO
    assert (config.endpoints.vpc, config.endpoints.ecs) == (None, None)
    assert config.fixed.retain == 24 * 3600
    assert config.quarantine == 60
    assert config.resync == 300
    assert config.rate_limits == {}
    assert config.publish.condition is None
    assert not config.publish.annotation
    assert config.policy is EntryPolicy.SYNC
    assert not config.take_over
    assert config.namespaces.denial("any") == ""
    assert config.namespaces.grace == 300
    assert config.denied_ports == ("22", "2379-2380", "6443", "10250", "10255")
    assert gateway.namespaces == ()
    assert config.namespaces.limit("any") is None


@pytest.mark.parametrize(
    "text",
    ["eips: []", "eips:", "eips: null", "eips: ~", 'eips: ["0.0.0.0"]', "maxEntries: null"],
)
def test_no_eips_means_all_of_the_gateway(text: str) -> None:
    assert parse(MINIMAL.replace("natgwId", f"{text}\n      natgwId")).gateways[0].eips == ()


@pytest.mark.parametrize("section", ["credential", "endpoints", "fixed", "namespaces", "publish"])
def test_an_empty_section_is_as_good_as_none(section: str) -> None:
    assert parse(f"{MINIMAL}\n{section}:\n") == parse(MINIMAL)


def test_what_is_the_least_is_allowed() -> None:
    assert parse(f"{MINIMAL}\nresync: 0.1s\n").resync == 0.1


def test_all_added_keys_are_read() -> None:
    config = parse(
        MINIMAL
        + """
vpcCIDRs: [10.8.0.0/16, 198.18.0.0/15]
endpoints: {vpc: "http://127.0.0.1:9100", ecs: ecs-vpc.cn-hangzhou.aliyuncs.com}
customStatefulWorkloadKinds: [GameServerSet]
fixed: {retain: 1h30m}
quarantine: 0s
resync: 90s
rateLimits: {CreateForwardEntry: 5, DescribeNatGateways: 0.5}
namespaces: {allow: [games-*], deny: [games-old], quota: {games-eu: 50, "*": 5}}
publish: {condition: false, annotation: true}
policy: upsert-only
takeOver: true
credential: {type: ramRole, roleName: KubernetesWorkerRole-1}
"""
    )
    assert config.vpc_cidrs == (IPv4Network("10.8.0.0/16"), IPv4Network("198.18.0.0/15"))
    assert config.endpoints.vpc == "http://127.0.0.1:9100"
    assert config.endpoints.ecs == "https://ecs-vpc.cn-hangzhou.aliyuncs.com"
    assert config.custom_stateful_workload_kinds == ("GameServerSet",)
    assert (config.fixed.retain, config.quarantine, config.resync) == (5400, 0, 90)
    assert config.rate_limits == {"CreateForwardEntry": 5, "DescribeNatGateways": 0.5}
    assert (config.publish.condition, config.publish.annotation) == (False, True)
    assert config.policy is EntryPolicy.UPSERT_ONLY
    assert config.take_over
    assert config.credential.type is CredentialSetting.RAM_ROLE
    assert config.credential.role_name == "KubernetesWorkerRole-1"


def test_without_vpc_cidrs_nothing_is_assumed_of_the_vpc() -> None:
    assert parse(MINIMAL).vpc_cidrs == ()


@pytest.mark.parametrize(
    ("namespace", "denial", "limit"),
    [
        ("games-eu", "", 50),
        ("games-old", "namespaces.deny has games-old", 5),
        ("shop", "namespaces.allow has only games-*", 5),
        ("games-", "", 5),
    ],
)
def test_namespaces_are_admitted_and_limited(namespace: str, denial: str, limit: int) -> None:
    namespaces = parse(
        MINIMAL + 'namespaces: {allow: [games-*], deny: [games-old], quota: {games-eu: 50, "*": 5}}'
    ).namespaces
    assert namespaces.denial(namespace) == denial
    assert namespaces.limit(namespace) == limit


def test_a_quota_may_be_one_number_and_may_be_nought() -> None:
    assert parse(MINIMAL + "namespaces: {quota: 0}").namespaces.limit("any") == 0


def test_only_the_named_namespaces_are_limited_without_a_rest() -> None:
    namespaces = parse(MINIMAL + "namespaces: {quota: {games: 2}}").namespaces
    assert (namespaces.limit("games"), namespaces.limit("other")) == (2, None)


def test_other_controllers_of_the_older_program_are_warned_about() -> None:
    config = parse(MINIMAL.replace("[natgw]", "[natgw, eip]"))
    assert list(doubts(config)) == [
        "enableControllers: 'eip' is ignored: dnatctl has no such controller",
    ]


def test_limits_of_what_only_the_older_program_calls_are_ignored_and_told() -> None:
    rates = "rateLimits: {DescribeRouteTableList: 5, CreateForwardEntry: 2}\n"
    config = parse(MINIMAL + rates)
    assert list(doubts(config)) == [
        "rateLimits: DescribeRouteTableList is ignored: dnatctl does not call it",
    ]
    cloud = connect_cloud(config, StaticProvider(Keys("id", "secret")))
    limits = {name: rate for name, rate in cloud.rates.items() if rate}
    assert limits == {Operation.CREATE: 2}


def test_whatever_may_be_limited_is_called_or_told_to_be_ignored() -> None:
    assert {*get_args(Api)} == {*Operation, *UNCALLED}


def test_the_environment_wins_over_the_file_and_the_command_line_over_both() -> None:
    env = {
        "DNATCTL_REGION_ID": "cn-beijing",
        "DNATCTL_VPC_ID": "vpc-env",
        "DNATCTL_ACCESS_KEY": "key",
        "DNATCTL_ACCESS_SECRET": "secret",
        "DNATCTL_TAKE_OVER": "true",
        "DNATCTL_QUARANTINE": "",
        "PATH": "/bin",
    }
    config = parse(MINIMAL, env, {"vpcID": "vpc-flag", "policy": "upsert-only", "resync": None})
    assert config.region_id == "cn-beijing"
    assert config.vpc_id == "vpc-flag"
    assert config.credential.access_secret.get_secret_value() == "secret"
    assert config.take_over
    assert config.policy is EntryPolicy.UPSERT_ONLY
    assert (config.quarantine, config.resync) == (60, 300)


def test_a_section_left_empty_in_the_file_can_be_filled_by_the_environment() -> None:
    env = {"DNATCTL_ENDPOINTS_VPC": "http://127.0.0.1:1"}
    assert parse(MINIMAL + "endpoints:\n", env).endpoints.vpc == "http://127.0.0.1:1"


def test_a_config_is_frozen_and_keeps_its_secrets_when_printed() -> None:
    config = parse(MINIMAL + "credential: {accessKey: LTAIabc, accessSecret: hush}")
    assert "hush" not in f"{config!r} {config} {config.model_dump_json()}"
    assert "LTAIabc" not in f"{config!r} {config} {config.model_dump_json()}"
    with pytest.raises(ValueError, match="frozen"):
        config.policy = EntryPolicy.SYNC  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DOCUMENTED.replace("cn-hangzhou-j", "cn-beijing-j"), "not a zone of region cn-hangzhou"),
        (DOCUMENTED.replace('"cn-hangzhou"', '"cn-hangzhou-j"'), "like a zone"),
        (DOCUMENTED + "\nnamespaces: {allow: [a, b], deny: [a]}\n", "a is in allow and in deny"),
        (
            MINIMAL.replace("natgwId", 'eips: ["192.168.3.4"]\n      natgwId'),
            "192.168.3.4 among its eips, which is a private address",
        ),
    ],
)
def test_what_may_not_be_meant_is_warned_about(text: str, says: str) -> None:
    (warning,) = doubts(parse(text))
    assert says in warning


@pytest.mark.parametrize("zone", ["ap-southeast-1a", "ap-southeast-1-b"])
def test_zones_of_other_regions_have_other_forms(zone: str) -> None:
    text = DOCUMENTED.replace("cn-hangzhou-j", zone)
    assert not list(doubts(parse(text.replace("cn-hangzhou", "ap-southeast-1"))))


def test_a_variable_with_a_letter_missing_is_named() -> None:
    env = {
        "DNATCTL_QUARANTIN": "30s",
        "DNATCTL_QUARANTINE": "30s",
        "DNATCTL_SERVICE_HOST": "10.0.0.1",
        "DNATCTL_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "DNATCTL_METRICS_SERVICE_HOST": "10.0.0.1",
        "HOME": "/",
    }
    (told,) = misspelt(env, {*ENVIRONMENT, "DNATCTL_METRICS_BIND_ADDRESS"})
    assert told.startswith("DNATCTL_QUARANTIN in the environment is ignored")
    assert "did you mean DNATCTL_QUARANTINE?" in told


@pytest.mark.parametrize(
    ("text", "ports"), [("[]", ()), ("[22, 7000-7003, '80']", ("22", "7000-7003", "80"))]
)
def test_denied_ports_are_ports_and_ranges(text: str, ports: tuple[str, ...]) -> None:
    assert parse(f"{MINIMAL}\ndeniedPorts: {text}\n").denied_ports == ports


def test_a_gateway_may_be_reserved_for_namespaces() -> None:
    text = MINIMAL.replace("natgwId", "namespaces: [vip-*]\n      natgwId")
    assert parse(text).gateways[0].namespaces == ("vip-*",)
