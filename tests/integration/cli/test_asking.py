"""The commands that ask, against an emulated cluster with a controller at work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dnatctl.cli.asking import Asking
from dnatctl.cli.main import cli
from dnatctl.kube.lease_record import LeaseRecord
from dnatctl.kube.orders import NAME
from dnatctl.status.document import Leadership, StatusDocument
from dnatctl.times import parse_time
from tests.support.clock import EPOCH, WrongClock
from tests.support.leader import Leader
from tests.support.stage import NAMESPACE, PREFIX, Stage, eventually, stage

LEADER = "dnatctl-0"


@pytest.fixture(scope="module")
def it() -> Iterator[Stage]:
    """Two pods are exposed, one is not; the leader is a pod, to be reached by a port-forward."""
    with stage(namespaces={"deny": ["denied"]}) as running:
        controller = running.start_controller(identity=f"{LEADER}_1").controller
        running.kube.store.create(
            "pods",
            {
                "metadata": {"name": LEADER, "namespace": NAMESPACE},
                "spec": {"containers": [{"name": "c", "image": "dnatctl"}]},
            },
        )
        running.config["status_port"] = controller.parts.doors.status_port
        running.move_to("games")
        running.pod("lobby", "80,53/udp")
        running.pod("web", "8080")
        running.pod("bad", "http")
        running.ready("lobby", 2)
        running.ready("web")
        running.told("bad", "InvalidAnnotation")
        yield running


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    exit_code: int
    stdout: str
    stderr: str


def asked(it: Stage, *words: str) -> Answer:
    config = str(it.folder / "kubeconfig")
    port = str(it.config["status_port"])
    result = CliRunner().invoke(
        cli, [*words, "--kubeconfig", config, "--status-port", port, *_namespace(words)]
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    # The controller of this process logs to wherever the command's answer goes.
    said = (line for line in result.stdout.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line))
    return Answer(result.exit_code, "".join(f"{line}\n" for line in said), result.stderr)


def _namespace(words: tuple[str, ...]) -> list[str]:
    return [] if {"-n", "-A"} & set(words) else ["-n", "games"]


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


class TestList:
    def test_a_line_a_pod_with_what_reaches_it(self, it: Stage) -> None:
        head, *found = rows(asked(it, "list").stdout)

        assert head == ["NAMESPACE", "NAME", "READY", "ENDPOINTS", "POD-IP", "AGE", "REASON"]
        assert [row[:3] for row in found] == [["games", "lobby", "2/2"], ["games", "web", "1/1"]]
        endpoints = found[0][3].split(",")
        assert [e.partition("->")[2] for e in endpoints] == ["80", "53"]

    def test_as_json_and_yaml_it_is_data(self, it: Stage) -> None:
        as_json: Any = json.loads(asked(it, "list", "-o", "json").stdout)
        as_yaml: Any = yaml.safe_load(asked(it, "list", "-o", "yaml").stdout)

        assert as_json == as_yaml
        assert as_json[1]["endpoints"][0]["usable"] is True
        assert as_json[1]["endpoints"][0]["internalPort"] == 8080

    def test_wide_names_gateway_and_entries(self, it: Stage) -> None:
        head, _, web = rows(asked(it, "list", "-o", "wide").stdout)

        assert head[-2:] == ["GATEWAY", "ENTRIES"]
        assert web[-2].startswith("ngw-")
        assert web[-1].startswith("fwd-")

    def test_where_nothing_is_it_says_so(self, it: Stage) -> None:
        result = asked(it, "list", "-n", "empty")

        assert result.exit_code == 0
        assert result.stdout == ""
        assert "no pod has an endpoint in namespace empty" in result.stderr

    def test_of_all_namespaces(self, it: Stage) -> None:
        assert len(rows(asked(it, "list", "-A").stdout)) == 3


class TestWho:
    def endpoint(self, it: Stage) -> str:
        entry = it.entries("web")[0]
        return f"{entry['externalIP']}:{entry['externalPort']}"

    def test_who_has_it_now(self, it: Stage) -> None:
        result = asked(it, "who", self.endpoint(it))

        (row,) = rows(result.stdout)[1:]
        assert result.exit_code == 0
        assert row[1:3] == ["claimed", "games/web"]

    def test_who_had_it_before_and_that_it_rests(self, it: Stage) -> None:
        it.pod("gone", "81")
        it.ready("gone")
        entry = it.entries("gone")[0]
        address = f"{entry['externalIP']}:{entry['externalPort']}/tcp"
        it.delete_pod("gone", grace=0)
        eventually(lambda: "gone" not in [r["metadata"]["name"] for r in it.records("games")])

        def told() -> set[str]:
            return {" ".join(row[1:4]) for row in rows(asked(it, "who", address).stdout)[1:]}

        gateway = it.cloud.scenario.gateways[0].id
        eventually(lambda: told() == {f"resting on {gateway}", "had it games/gone"})

    def test_nobody(self, it: Stage) -> None:
        result = asked(it, "who", "203.0.113.1:1023")

        assert result.exit_code == 1
        gateway = it.cloud.scenario.gateways[0].id
        assert f"nobody has it, as far as is known: it is free, on {gateway}" in result.stderr
        assert result.stdout == ""

    def test_nobody_and_nobody_gets_it(self, it: Stage) -> None:
        gateway = it.cloud.scenario.gateways[0].id
        asked(it, "drain", "--no-wait", gateway)
        it.running[0].controller.parts.orders.look()
        mend = f"dnatctl undrain gateway/{gateway} ends it"

        eventually(
            lambda: (
                (said := asked(it, "who", "203.0.113.1:1023").stderr)
                and "nobody has it, as far as is known, and it is not given out: " in said
                and mend in said
            )
        )
        assert asked(it, "undrain", gateway).exit_code == 0
        it.running[0].controller.parts.orders.look()
        eventually(lambda: "it is free" in asked(it, "who", "203.0.113.1:1023").stderr)

    def test_a_port_that_is_none_of_the_pools_is_told_to_be_one(self, it: Stage) -> None:
        result = asked(it, "who", "203.0.113.1:443")

        assert result.exit_code == 1
        assert "of 203.0.113.1 dnatctl gives out 512 to 1024" in result.stderr

    def test_an_ip_that_is_none_of_those_in_use_is_told_to_be_one(self, it: Stage) -> None:
        result = asked(it, "who", "8.8.8.8:53")

        assert result.exit_code == 1
        assert "dnatctl uses only 203.0.113.1, 203.0.113.2" in result.stderr

    @pytest.mark.parametrize("text", ["web", "1.2.3.4", "1.2.3:80", "1.2.3.4:0", "1.2.3.4:80/sctp"])
    def test_what_is_no_endpoint_is_refused_with_an_example(self, it: Stage, text: str) -> None:
        result = asked(it, "who", text)

        assert result.exit_code == 2
        assert "47.1.2.3:512" in result.stderr


class TestStatus:
    def test_a_block_a_gateway_and_a_cell_a_port(self, it: Stage) -> None:
        result = asked(it, "status")

        assert result.exit_code == 0, result.stdout
        assert f"ready, led by {LEADER}_1" in result.stdout
        assert "backlog 0" in result.stdout
        assert result.stdout.count("█") >= 3
        assert "games/bad" in result.stdout
        assert "InvalidAnnotation" in result.stdout
        assert "\x1b" not in result.stdout

    def test_as_json_it_is_the_document(self, it: Stage) -> None:
        document: Any = json.loads(asked(it, "status", "-o", "json").stdout)

        assert document["schema"] == "dnatctl/status/v1"
        ports = [p for g in document["gateways"] for e in g["eips"] for p in e.get("ports", [])]
        used = {port["pod"] for port in ports if port["state"] == "used"}
        assert used == {"games/lobby", "games/web"}
        assert all(port["entry"].startswith("fwd-") for port in ports if port["state"] == "used")

    def test_without_a_leader_it_says_so_and_what_to_do(self, it: Stage) -> None:
        result = asked(it, "status", "--server", "127.0.0.1:1")

        assert result.exit_code == 1
        assert "the leader does not answer" in result.stderr
        assert "dnatctl list" in result.stderr

    def test_another_controller_on_this_machine_is_not_taken_for_the_leader(
        self, it: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.gethostname", lambda: LEADER)
        assert asked(it, "status").exit_code == 0

        other = LeaseRecord({}, {"holderIdentity": f"{LEADER}_2"})
        monkeypatch.setattr(Asking, "lease", lambda _: (NAMESPACE, other))
        result = asked(it, "status")

        assert result.exit_code == 1
        assert f"{LEADER}_1 of cluster" in result.stderr
        assert f"answers, and {LEADER}_2 leads" in result.stderr

    def test_a_replica_that_stands_by_knows_too_little_to_be_believed(self, it: Stage) -> None:
        with Leader() as standby:
            lease = Leadership(leading=False, identity="b_2", holder=f"{LEADER}_1")
            standby.document = StatusDocument("", "1.0", "c1", lease, ready=True)
            shown = asked(it, "status", "--server", standby.address)
            explained = asked(it, "explain", "web", "--server", standby.address)

        assert shown.exit_code == 1
        assert f"b_2, which stands by, answers, and {LEADER}_1 leads" in shown.stderr
        assert "from the cluster's objects alone" in explained.stderr
        assert "Reachable, as far as the cluster's objects tell: " in explained.stdout

    def test_a_leader_on_this_machine_that_serves_elsewhere_has_to_be_named(
        self, it: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.gethostname", lambda: LEADER)
        monkeypatch.setitem(it.config, "status_port", 1)

        result = asked(it, "status")

        assert result.exit_code == 1
        assert "it ran on this machine when it last renewed its Lease, 20" in result.stderr
        assert "say where it serves (--server)" in result.stderr


class TestOrders:
    @pytest.mark.parametrize(("target", "known"), [("9.9.9.9", "203.0.113.1"), ("ngw-0", "ngw-")])
    def test_a_drain_of_what_is_not_in_use_is_given_and_doubted(
        self, it: Stage, target: str, known: str
    ) -> None:
        result = asked(it, "drain", "--no-wait", target)
        undone = asked(it, "undrain", target)

        assert (result.exit_code, undone.exit_code) == (0, 0)
        assert undone.stdout.endswith(f"/{target}: not drained any more\n")
        for said in (result, undone):
            assert f"{target} at present; there are {known}" in said.stderr
        assert "heeds it within 5 s" in result.stderr

    def test_a_pause_of_what_is_not_in_use_was_no_drain(self, it: Stage) -> None:
        paused, resumed = asked(it, "pause", "ngw-0"), asked(it, "resume", "ngw-0")

        assert (paused.exit_code, resumed.exit_code) == (0, 0)
        assert resumed.stdout == "gateway/ngw-0: not paused any more\n"

    def test_one_of_those_in_use_is_not_doubted(self, it: Stage) -> None:
        result = asked(it, "drain", "--no-wait", "203.0.113.2")
        assert asked(it, "undrain", "203.0.113.2").exit_code == 0

        assert "at present" not in result.stderr

    def test_all_is_everything_and_no_pod_of_that_name(self, it: Stage) -> None:
        paused, resumed = asked(it, "pause", "all", "--for", "1m"), asked(it, "resume", "all")

        assert paused.stdout.startswith("all is paused until")
        assert resumed.stdout == "all: goes on\n"

    def test_who_takes_back_what_was_never_given_is_told(self, it: Stage) -> None:
        undrained, resumed = asked(it, "undrain", "203.0.113.2"), asked(it, "resume", "web")

        assert undrained.stdout == "eip/203.0.113.2: was not being drained\n"
        assert resumed.stdout == "pod/games/web: was not paused\n"
        assert (undrained.exit_code, resumed.exit_code) == (0, 0)

    def test_what_is_said_to_go_on_is_not_paused_whatever_the_order_stood_under(
        self, it: Stage
    ) -> None:
        asked(it, "pause", "web", "--for", "1h")
        stored = it.kube.store.get("configmaps", NAMESPACE, NAME) or {}
        name = "pause.pod.games.web"
        moved = {name: None, "maintenance": stored["data"][name]}
        it.kube.store.patch("configmaps", NAMESPACE, NAME, {"data": moved})

        resumed, again = asked(it, "resume", "web"), asked(it, "resume", "web")

        assert resumed.stdout == "pod/games/web: goes on\n"
        assert again.stdout == "pod/games/web: was not paused\n"

    def test_what_another_drain_keeps_from_use_is_not_said_to_be_in_use(self, it: Stage) -> None:
        gateway = it.cloud.scenario.gateways[0].id
        asked(it, "drain", "--no-wait", "203.0.113.2")
        asked(it, "drain", "--no-wait", gateway)

        first, again = asked(it, "undrain", gateway), asked(it, "undrain", gateway)
        last = asked(it, "undrain", "203.0.113.2")

        for held in (first, again):
            assert "dnatctl undrain eip/203.0.113.2 ends it" in held.stdout
            assert held.exit_code == 1
        assert again.stdout.startswith(f"gateway/{gateway}: there was no such order; ")
        assert last.stdout == "eip/203.0.113.2: in use again\n"
        assert last.exit_code == 0

    def test_without_a_leader_any_drain_of_an_eip_may_be_one_of_the_gateway(
        self, it: Stage
    ) -> None:
        gateway = it.cloud.scenario.gateways[0].id
        asked(it, "drain", "--no-wait", "203.0.113.2")
        result = asked(it, "undrain", gateway, "--server", "127.0.0.1:1")
        assert asked(it, "undrain", "203.0.113.2").exit_code == 0

        assert "from what is ordered alone" in result.stderr
        assert "dnatctl undrain eip/203.0.113.2 ends it" in result.stdout
        assert result.exit_code == 1

    def test_what_another_pause_holds_is_not_said_to_go_on(self, it: Stage) -> None:
        gateway = f"gateway/{it.cloud.scenario.gateways[0].id}"
        for target in ("web", gateway, "all"):
            asked(it, "pause", target, "--for", "1m")

        pod, other, everything = (asked(it, "resume", t) for t in ("web", "lobby", "all"))
        last = asked(it, "resume", gateway)

        assert pod.stdout.startswith("pod/games/web: that order is taken back; ")
        assert other.stdout.startswith("pod/games/lobby: there was no such order; ")
        for held in (pod, other):
            assert "dnatctl resume all ends it" in held.stdout
        for held in (pod, other, everything):
            assert f"dnatctl resume {gateway} ends it" in held.stdout
            assert held.exit_code == 1
        assert last.stdout == f"{gateway}: goes on\n"
        assert last.exit_code == 0

    def test_a_pod_is_named_as_kubectl_does_and_a_workload_is_no_pod(self, it: Stage) -> None:
        assert asked(it, "pause", "pod/web", "--for", "1s").stdout.startswith("pod/games/web is")
        assert asked(it, "resume", "pod/web").exit_code == 0

        result = asked(it, "pause", "deploy/web")

        assert result.exit_code == 2
        assert "name one of its pods" in result.stderr

    @pytest.mark.parametrize(
        ("order", "end"),
        [
            (["pause", "wbe"], ["resume", "wbe"]),
            (["log-level", "wbe", "debug"], ["log-level", "wbe", "default"]),
        ],
    )
    def test_a_pod_that_is_not_there_is_doubted(
        self, it: Stage, order: list[str], end: list[str]
    ) -> None:
        result, ended = asked(it, *order, "--for", "1m"), asked(it, *end)

        assert "there is no PodDNAT games/wbe at present" in result.stderr
        assert (result.exit_code, ended.exit_code) == (0, 0)

    def test_one_lasts_as_long_as_was_said_whatever_the_clock_of_who_gives_it(
        self, it: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        behind = WrongClock(timedelta(hours=-1))
        monkeypatch.setattr("dnatctl.kube.client.SystemClock", lambda: behind)

        paused, resumed = asked(it, "pause", "ngw-0", "--for", "30m"), asked(it, "resume", "ngw-0")

        (until,) = re.findall(r"until (\S+Z)", paused.stdout)
        left = (parse_time(until) or EPOCH) - datetime.now(UTC)
        assert timedelta(minutes=29) < left <= timedelta(minutes=30)
        assert resumed.exit_code == 0

    @pytest.mark.parametrize(
        ("order", "write"), [("drain", "an IP or ngw-..."), ("pause", "ngw-..., the name of a pod")]
    )
    def test_a_target_that_is_none_is_answered_by_what_to_write(
        self, it: Stage, order: str, write: str
    ) -> None:
        target = "foo" if order == "drain" else "203.0.113.2"

        result = asked(it, order, target)

        assert result.exit_code == 2
        assert f"'{target}': write {write}" in result.stderr

    def test_an_order_that_ends_at_once_is_none(self, it: Stage) -> None:
        result = asked(it, "pause", "all", "--for", "0s")

        assert result.exit_code == 2
        assert "'0s': at least a moment" in result.stderr


class TestExplain:
    def test_a_pod_is_named_as_kubectl_does_and_a_workload_is_no_pod(self, it: Stage) -> None:
        assert asked(it, "explain", "pod/web").exit_code == 0

        result = asked(it, "explain", "deploy/web")

        assert result.exit_code == 2
        assert "name one of its pods" in result.stderr

    def test_a_pod_that_is_reachable(self, it: Stage) -> None:
        result = asked(it, "explain", "web")

        assert result.exit_code == 0, result.stdout
        assert "Reachable: " in result.stdout
        assert "leads to port 8080" in result.stdout

    def test_a_pod_with_nonsense(self, it: Stage) -> None:
        result = asked(it, "explain", "games/bad", "-n", "default")

        assert result.exit_code == 1
        assert '"http" is not a port' in result.stdout

    def test_a_pod_whose_deployment_has_the_annotation(self, it: Stage) -> None:
        template = {
            "metadata": {"labels": {"app": "misplaced"}},
            "spec": {"containers": [{"name": "c", "image": "nginx"}]},
        }
        notes = {PREFIX: "true", f"{PREFIX}-expose-port": "80"}
        it.kube.store.create(
            "deployments.apps",
            {
                "metadata": {"name": "misplaced", "namespace": "games", "annotations": notes},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": "misplaced"}},
                    "template": template,
                },
            },
        )
        names = eventually(
            lambda: [
                pod["metadata"]["name"]
                for pod in it.kube.store.list("pods", "games")
                if pod["metadata"]["name"].startswith("misplaced-")
            ]
        )

        result = asked(it, "explain", names[0])

        assert result.exit_code == 1
        assert "Deployment misplaced has" in result.stdout
        assert "spec.template.metadata.annotations" in result.stdout

    def test_a_pod_of_a_denied_namespace(self, it: Stage) -> None:
        it.namespace("denied")
        it.pod("there", namespace="denied")

        result = asked(it, "explain", "there", "-n", "denied")

        assert "Namespace denied may not expose pods" in result.stdout

    def test_no_pod(self, it: Stage) -> None:
        assert "There is no pod nobody" in asked(it, "explain", "nobody").stdout

    def test_without_a_leader_from_the_objects_alone(self, it: Stage) -> None:
        result = asked(it, "explain", "web", "--server", "127.0.0.1:1")

        assert "from the cluster's objects alone" in result.stderr
        assert "Reachable, as far as the cluster's objects tell: " in result.stdout

    def test_as_json_it_is_the_chain(self, it: Stage) -> None:
        document: Any = json.loads(asked(it, "explain", "web", "-o", "json").stdout)

        assert document["pod"] == "games/web"
        assert document["reachable"] is True
        assert {link["standing"] for link in document["links"]} == {"ok"}


def test_an_endpoint_is_the_same_in_every_command(it: Stage) -> None:
    entry = it.entries("web")[0]
    address = f"{entry['externalIP']}:{entry['externalPort']}"

    for words in (["list"], ["who", address], ["explain", "web"]):
        assert address in asked(it, *words).stdout
