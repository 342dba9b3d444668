"""Files that do not work: every mistake is told, with its place, and no credential is."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnatctl.config import ConfigErrors, Mistake, load, parse
from dnatctl.config.document import dotted
from tests.unit.config.samples import MINIMAL, PLACEHOLDERS

LINES = MINIMAL.count("\n")


def problems(text: str, env: dict[str, str] | None = None) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, env or {})
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return caught.value.problems


def only_problem(text: str, env: dict[str, str] | None = None) -> Mistake:
    (problem,) = problems(text, env)
    return problem


def test_a_mistake_is_told_by_file_line_column_key_finding_and_what_is_allowed() -> None:
    assert str(only_problem(MINIMAL.replace("1024", "70000"))) == (
        "config.yaml:9:21: networkController.natGwPool[0].portRangeEnd: "
        "found 70000; allowed: a port, 1 to 65535"
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = MINIMAL.replace("c1", "a_b").replace("512", "2000").replace("[natgw]", "[eip]")
    found = [problem.key for problem in problems(text + "quarantine: 60\nnonsense: 1\n")]
    assert found == [
        "clusterID",
        "enableControllers",
        "networkController.natGwPool[0].portRangeEnd",
        "quarantine",
        "nonsense",
    ]


@pytest.mark.parametrize("depth", [40, 900, 20_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_without_end_is_no_configuration(opening: str, depth: int) -> None:
    problem = only_problem(MINIMAL + "credential:\n  " + opening * depth + "\n")
    assert problem.found == "nested without end"
    assert problem.where.startswith("config.yaml:")


def test_the_placeholders_of_the_document_are_to_be_replaced() -> None:
    found = problems(PLACEHOLDERS)
    assert [problem.key.rpartition(".")[2] for problem in found] == ["natgwId", "zoneId", "eips[0]"]
    assert all("replace this placeholder" in problem.allowed for problem in found)
    assert "[] for all of them" in found[2].allowed


@pytest.mark.parametrize("key", ["clusterID", "regionID", "vpcID", "enableControllers"])
def test_what_must_be_there_is_missed(key: str) -> None:
    text = "".join(line for line in MINIMAL.splitlines(keepends=True) if not line.startswith(key))
    problem = only_problem(text)
    assert (problem.key, problem.found, problem.where) == (key, "nothing", "config.yaml:1:1")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null\n"])
def test_an_empty_file_lacks_everything(text: str) -> None:
    assert {problem.key for problem in problems(text)} == {
        "clusterID",
        "regionID",
        "vpcID",
        "enableControllers",
        "networkController",
    }


@pytest.mark.parametrize(
    ("line", "key", "found"),
    [
        pytest.param("cluster_id: x", "cluster_id", "did you mean clusterID?", id="spelling"),
        pytest.param("Policy: sync", "Policy", "did you mean policy?", id="case"),
        pytest.param("zoneId: x", "zoneId", "networkController.natGwPool[].zoneId", id="place"),
        pytest.param("fixed: {retian: 1h}", "fixed.retian", "did you mean retain?", id="nested"),
        pytest.param("qwertz: 1", "qwertz", "an unknown key", id="no idea"),
        pytest.param("qwertz:", "qwertz", "an unknown key", id="no value either"),
        pytest.param("12: x", "12", "an unknown key", id="number"),
        pytest.param("<<: {policy: sync}", "<<", "an unknown key", id="merge"),
    ],
)
def test_an_unknown_key_is_an_error_with_a_hint(line: str, key: str, found: str) -> None:
    problem = only_problem(MINIMAL + line)
    assert problem.key == key
    assert found in problem.found
    assert problem.where.startswith(f"config.yaml:{LINES + 1}:")


@pytest.mark.parametrize(
    ("line", "found", "allowed"),
    [
        ("quarantine: 60", "60", "a duration such as 30s"),
        ("quarantine: 1:30", "1:30", "a duration such as 30s"),
        ("quarantine: 1d", '"1d"', "a duration such as 30s"),
        ('quarantine: ""', '""', "a duration such as 30s"),
        ("quarantine: -5s", '"-5s"', "a duration such as 30s"),
        *(
            (f"resync: {time}", f'"{time}"', "a duration of 0.1s or more")
            for time in ("0s", "0.001s", "0.099s")
        ),
        ("policy: delete", '"delete"', "sync or upsert-only"),
        ("takeOver: 1", "1", "true or false"),
        ("takeOver: maybe", '"maybe"', "true or false"),
        ("publish: true", "true", "a mapping with the keys condition, annotation"),
        ("publish: {condition: 0}", "0", "true or false"),
        ("rateLimits: {CreateForwardEntry: 0}", "0", "calls a second, 0.001 or more"),
        ("rateLimits: {CreateForwardEntry: 1.0e-11}", "1.0e-11", "calls a second, 0.001 or more"),
        ("rateLimits: {CreateForwardEntry: .inf}", ".inf", "calls a second, 0.001 or more"),
        ("rateLimits: {RunInstances: 1}", "this key", "CreateForwardEntry"),
        ("credential: {roleName: a@b}", "a value (not shown)", "the name of a RAM role"),
        ("credential: {roleName: a.}", "a value (not shown)", "the name of a RAM role"),
        ("vpcCIDRs: [10.0.0.1/8]", '"10.0.0.1/8"', "a list of IPv4 networks"),
        ("vpcCIDRs: [10.0.0.0]", '"10.0.0.0"', "a list of IPv4 networks"),
        ("vpcCIDRs: 10.0.0.0/8", '"10.0.0.0/8"', "a list of IPv4 networks"),
        ("vpcCIDRs: [2001:db8::/32]", '"2001:db8::/32"', "a list of IPv4 networks"),
        ("namespaces: {allow: [Games]}", '"Games"', "a list of namespaces"),
        ("namespaces: {quota: -1}", "-1", "a whole number"),
        ("maxPortsPerPod: 0", "0", "a whole number, 1 to 100"),
        ("maxPortsPerPod: 101", "101", "a whole number, 1 to 100"),
        ("deniedPorts: [0]", "0", "a list of ports and ranges of ports, such as [22, 2379-2380]"),
        ("deniedPorts: [65536]", "65536", "a list of ports and ranges"),
        ("deniedPorts: [true]", "true", "a list of ports and ranges"),
        ("deniedPorts: [9-3]", '"9-3"', "a list of ports and ranges"),
        ("deniedPorts: [1-]", '"1-"', "a list of ports and ranges"),
        ("deniedPorts: [1-2-3]", '"1-2-3"', "a list of ports and ranges"),
        ('deniedPorts: ["080"]', '"080"', "a list of ports and ranges"),
        ("deniedPorts: [any]", '"any"', "a list of ports and ranges"),
        ("deniedPorts: 22", "22", "a list of ports and ranges"),
        ("namespaces: {quota: true}", "true", "a whole number"),
        ("namespaces: {quota: {games: many}}", '"many"', "a whole number"),
        ("customStatefulWorkloadKinds: [gameserversets]", '"gameserversets"', "a list of kinds"),
        ("endpoints: {vpc: ftp://a}", '"ftp://a"', "an address such as"),
        ("endpoints: {vpc: http://a/b}", '"http://a/b"', "an address such as"),
        ("endpoints: {vpc: http://a:b}", '"http://a:b"', "an address such as"),
        ('endpoints: {vpc: ""}', '""', "an address such as"),
        ("endpoints: {vpc: http://me:pass@a}", '"http://(not shown)@a"', "an address such as"),
        (f"policy: {'x' * 200}", f'"{"x" * 59}…', "sync or upsert-only"),
    ],
)
def test_a_bad_value_is_told_with_what_is_allowed(line: str, found: str, allowed: str) -> None:
    problem = only_problem(MINIMAL + line)
    assert problem.found == found
    assert allowed in problem.allowed


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("c1", "a_b", "clusterID"),
        ("c1", "x" * 65, "clusterID"),
        ("c1", "007", "clusterID"),
        ("cn-hangzhou", "hangzhou", "regionID"),
        ("vpc-1", "ngw-1", "vpcID"),
        ("ngw-1", "vpc-1", "networkController.natGwPool[0].natgwId"),
        ("512", "0", "networkController.natGwPool[0].portRangeStart"),
        ("512", '"512"', "networkController.natGwPool[0].portRangeStart"),
        ("512", "512.5", "networkController.natGwPool[0].portRangeStart"),
        ("512", "true", "networkController.natGwPool[0].portRangeStart"),
        ("512", "1025", "networkController.natGwPool[0].portRangeEnd"),
        ("[natgw]", "[]", "enableControllers"),
        ("[natgw]", "natgw", "enableControllers"),
    ],
)
def test_a_bad_required_value_is_told(old: str, new: str, key: str) -> None:
    assert only_problem(MINIMAL.replace(old, new)).key == key


def test_text_that_yaml_takes_for_a_number_is_to_be_quoted() -> None:
    problem = only_problem(MINIMAL.replace("c1", "007"))
    assert problem.found == "007"
    assert "put it in quotes" in problem.allowed


GATEWAY = "    - natgwId: {0}\n      portRangeStart: 1\n      portRangeEnd: 2\n      eips: {1}\n"


@pytest.mark.parametrize(
    ("gateways", "place"),
    [
        ([("ngw-1", "[]")], "natGwPool[1].natgwId"),
        ([("ngw-2", "[1.1.1.1]"), ("ngw-3", "[1.1.1.1]")], "natGwPool[2].eips"),
        ([("ngw-2", "[1.1.1.1, 1.1.1.1]")], "natGwPool[1].eips"),
        ([("ngw-2", "[1.1.1]")], "natGwPool[1].eips[0]"),
        ([("ngw-2", '["::1"]')], "natGwPool[1].eips[0]"),
        ([("ngw-2", "1.1.1.1")], "natGwPool[1].eips"),
        ([("ngw-2", "[0.0.0.0, 1.1.1.1]")], "natGwPool[1].eips[0]"),
    ],
)
def test_gateways_and_eips_are_listed_once_and_well(
    gateways: list[tuple[str, str]], place: str
) -> None:
    text = MINIMAL + "".join(GATEWAY.format(*gateway) for gateway in gateways)
    assert only_problem(text).key == f"networkController.{place}"


def test_an_empty_pool_is_no_pool() -> None:
    text = MINIMAL[: MINIMAL.index("  natGwPool")] + "  natGwPool: []\n"
    assert only_problem(text).allowed == "a list of one or more gateways"


@pytest.mark.parametrize(
    ("credential", "key"),
    [
        ("{accessKey: LTAIabc}", "credential"),
        ("{accessSecret: sesame99}", "credential"),
        ("{type: ramRole, accessKey: LTAIabc, accessSecret: sesame99}", "credential"),
        ("{type: other}", "credential.type"),
        ("{accessKey: '<your key>', accessSecret: sesame99}", "credential.accessKey"),
        ("sesame99", "credential"),
        ("{tokenFile: relative}", "credential.tokenFile"),
        ("{keyFolder: relative}", "credential.keyFolder"),
    ],
)
def test_a_credential_that_does_not_fit_is_refused_without_showing_it(
    credential: str, key: str
) -> None:
    problem = only_problem(MINIMAL + f"credential: {credential}")
    assert problem.key == key
    assert "sesame99" not in str(problem)
    assert "LTAI" not in str(problem)


@pytest.mark.parametrize(
    "line",
    [
        "accessSecret: {}",
        "credential: {{accessKey:{}, accessSecret:{}}}",
        "credential: {{accessSecret: {}, accessKey: 1}}",
        "credential: {{accesSecret: {}}}",
        "credential: {{accessKey: x, accessSecret: x, accessSecret: {}}}",
        "credential: {{accessKey: x, accessSecret: *{}}}",
        "credential: {{accessKey: x, accessSecret: !{} x}}",
        "credential: {{accessKey: x, accessSecret: !{}!x y}}",
        "credential: {{accessKey: x, accessSecret: &{0} a, roleName: &{0} b}}",
        "credential: {{accessKey: x, accessSecret: [{}]}}",
        "credential: {{accessKey: x, accessSecret: '{}}}",
        "credential: {{accessKey: x, accessSecret: %{}}}",
        "credential: [{}, {}]",
        "credential: {}",
        "credential: {{type: {}}}",
        "credential: {{'{}': 1, '{}': 2}}",
        "credential: {{tokenFile: {}}}",
        "%{}",
    ],
)
@given(letters=st.text(string.ascii_letters, min_size=4, max_size=20))
def test_no_message_holds_a_credential_however_it_got_where_it_is(line: str, letters: str) -> None:
    secret = f"{letters}7Qx"
    with pytest.raises(ConfigErrors) as caught:
        parse(MINIMAL + line.format(secret, secret))
    assert secret not in str(caught.value)
    assert secret not in repr(caught.value)


def test_a_secret_of_the_environment_is_not_shown_either() -> None:
    problem = only_problem(MINIMAL, {"DNATCTL_ACCESS_SECRET": "sesame99"})
    assert problem.where == "DNATCTL_ACCESS_SECRET"
    assert "sesame99" not in str(problem)


def test_a_bad_value_of_the_environment_is_told_by_the_name_of_its_variable() -> None:
    problem = only_problem(MINIMAL, {"DNATCTL_RESYNC": "often"})
    assert (problem.where, problem.key, problem.found) == ("DNATCTL_RESYNC", "resync", '"often"')


def test_the_environment_does_not_hide_a_section_that_is_none() -> None:
    problem = only_problem(MINIMAL + "endpoints: 5", {"DNATCTL_ENDPOINTS_VPC": "http://a"})
    assert (problem.key, problem.found) == ("endpoints", "5")


def test_a_key_given_twice_is_refused() -> None:
    problem = only_problem(MINIMAL + "vpcID: vpc-2")
    assert problem.where == f"config.yaml:{LINES + 1}:1"
    assert problem.found == "the key a second time (first in line 3)"


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        pytest.param("a: [1", ":1:6", "expected ',' or ']'", id="unclosed"),
        pytest.param("a: b: c", ":1:5", "mapping values", id="colon"),
        pytest.param("a: 1\n---\nb: 2", ":2:1", "another document", id="two documents"),
        pytest.param("\ta: 1", ":1:1", "a tab", id="tab"),
        pytest.param('a: "1\nb: 2\n', ":1:4", "a quote that is not closed", id="open quote"),
        pytest.param('a: "1\nb: "2"\n', ":2:5", "text behind the end of a value", id="quotes"),
        pytest.param("a:\n  b: 1\n c: 2\n", ":3:2", "indented differently", id="indentation"),
        pytest.param("a: 1\nb:2\nc: 3\n", ":2:1", "a line that is no `key: value`", id="space"),
        pytest.param("a: \x00", "", "not allowed", id="control character"),
        pytest.param("- a", ":1:1", '["a"]', id="a list"),
        pytest.param("text", ":1:1", '"text"', id="a word"),
    ],
)
def test_what_is_no_mapping_is_told_as_such(text: str, where: str, found: str) -> None:
    problem = only_problem(text)
    assert problem.where.startswith(f"config.yaml{where}")
    assert found in problem.found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("policy: !upper sync", "a YAML tag (!)"),
        ("vpcCIDRs: &all [*all]", "an alias (*)"),
        ("policy: &p sync\npublish: {condition: *p}", "an alias (*)"),
        ("? [a]\n: 1", "a list or mapping as a key"),
    ],
)
def test_yaml_beyond_plain_values_is_refused(line: str, found: str) -> None:
    assert only_problem(MINIMAL + line).found == found


@pytest.mark.parametrize("written", ["0512", "0x200", "8:32", "5_12", "0b1000000000"])
def test_a_number_that_yaml_reads_otherwise_than_people_is_refused(written: str) -> None:
    problem = only_problem(MINIMAL + f"namespaces: {{quota: {written}}}")
    assert problem.key == "namespaces.quota"
    assert problem.found.startswith(f"{written}, which YAML reads as another number")


@pytest.mark.parametrize(
    ("written", "key"),
    [("-1", "namespaces.quota"), ("{games: -1}", "namespaces.quota.games")],
)
def test_the_key_that_is_told_is_one_that_was_written(written: str, key: str) -> None:
    assert only_problem(MINIMAL + f"namespaces: {{quota: {written}}}").key == key


def test_but_not_where_it_is_refused_anyhow() -> None:
    assert only_problem(MINIMAL + "quarantine: 0512").found == "0512"


def test_a_quoted_number_is_told_to_lose_its_quotes() -> None:
    assert only_problem(MINIMAL + 'maxPortsPerPod: "20"').allowed.endswith("without quotes)")
    assert "quotes" not in only_problem(MINIMAL + 'maxPortsPerPod: "many"').allowed


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("rateLimits: {CreateForwardEntries: 4}", "did you mean CreateForwardEntry?"),
        ('namespaces: {quota: {"games-*": 4}}', "no patterns here"),
    ],
)
def test_a_key_that_is_a_value_gets_a_hint(line: str, hint: str) -> None:
    assert hint in only_problem(MINIMAL + line).found


def test_a_type_of_credential_is_shown() -> None:
    assert only_problem(MINIMAL + "credential: {type: ramrole}").found == '"ramrole"'


@pytest.mark.parametrize("value", ["2024-13-45", "0b_", "0x_", "=", "1e5"])
def test_values_that_yaml_libraries_stumble_over_are_plain_bad_values(value: str) -> None:
    assert only_problem(MINIMAL + f"policy: {value}").key == "policy"


def test_a_file_that_cannot_be_read_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    missing = tmp_path / "config.yaml"
    with pytest.raises(ConfigErrors, match=r"No such file") as caught:
        load(missing)
    assert caught.value.problems[0].where == str(missing)
    missing.write_bytes(b"clusterID: \xff\xfe")
    with pytest.raises(ConfigErrors, match="UTF-8"):
        load(missing)


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(text)
    assert caught.value.problems


def test_brackets_without_end_are_not_read_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner looks a thousand characters ahead, and at all open brackets with each of them."""
    steps = []
    monkeypatch.setattr(
        "yaml.scanner.Scanner.stale_possible_simple_keys", lambda scanner: steps.append(1)
    )
    assert only_problem("a: " + "[" * 2000).found == "nested without end"
    assert len(steps) < 500


def test_a_path_is_written_as_people_write_it() -> None:
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
    assert dotted(()) == ""


def test_a_configmap_is_told_to_be_one_and_not_key_by_key() -> None:
    nested = "".join(f"    {line}\n" for line in MINIMAL.splitlines())
    text = f"apiVersion: v1\nkind: ConfigMap\ndata:\n  config.yaml: |\n{nested}"
    problem = only_problem(text)
    assert (problem.where, problem.key) == ("config.yaml:1:1", "")
    assert problem.found == 'an object of Kubernetes, of kind "ConfigMap"'
    assert "the text that it holds" in problem.allowed
