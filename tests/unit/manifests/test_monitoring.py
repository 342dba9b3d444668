"""Alerts: each says what is wrong and where to read on, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dnatctl.cloud.errors import ErrorKind
from dnatctl.control.people.board import RELEASING
from dnatctl.plan.reasons import REASONS, ToldOn
from tests.unit.manifests.built import MANIFESTS, Object, the, with_component

DOCS = MANIFESTS.parent / "docs"
PAGE = "docs/runbook.md"
SPEC = yaml.safe_load((MANIFESTS / "monitoring" / "rules.yaml").read_text("utf-8"))["spec"]
RULES: list[dict[str, Any]] = [rule for group in SPEC["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ROW = re.compile(r"^\| `(\S+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
NAME = re.compile(
    r"\b(?:job:)?(?:dnatctl|leader_election|workqueue|controller_runtime|rest_client|process)_[\w:]+"
)


def metrics() -> dict[str, tuple[str, set[str]]]:
    """Type and labels of every metric, from the reference."""
    text = (DOCS / "reference" / "metrics.md").read_text("utf-8")
    rows = ROW.findall(text)
    assert len(rows) > 40
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def family(name: str) -> str:
    """The metric that a series belongs to."""
    known = metrics()
    stem = re.sub("_(bucket|count|sum)$", "", name)
    return stem if known.get(stem, ("", ()))[0] == "histogram" else name


def anchors(page: Path) -> list[str]:
    """Of the sections of a page, as GitHub makes them."""
    return [
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^### (.+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


PAGED = {
    "CloudRejected": "the account, the EIP or the gateway",
    "EntriesAwaited": "the table is slow, or its backlog long",
    "EntriesPending": "the same",
    "EntriesChanged": "somebody else writes to the table",
    "GatewayUnusable": "the gateway",
    "LookupFailed": "the API server",
    "NameTaken": "an entry that stays Deleting, or the finalizer of another program",
    "NoInterface": "the cloud knows no such address",
    "NotAmongReplicas": "told of claims that are kept, beside `PodAway`",
    "PodDNATRefused": "a quota, a webhook, a right",
    "PoolExhausted": "the pool",
    "QuotaExceeded": "the quota of the cloud",
    "TupleConflict": "a row that is somebody else's",
    "WorkloadUnreadable": "a right that is missing",
}
"""Reasons for which somebody waits whom the operator can help: what he looks at."""


def test_it_is_said_of_each_reason_whether_it_wakes_an_operator() -> None:
    waits = {
        name
        for name, reason in REASONS.items()
        if {ToldOn.POD, ToldOn.RECORD} & set(reason.where) and name not in RELEASING
    }
    (left_out,) = re.findall(r'reason!~"([\w|]+)"', ALERTS["DnatctlPodsWaitTooLong"]["expr"])
    owners = set(left_out.split("|"))
    assert owners <= REASONS.keys()
    assert PAGED.keys() <= waits - owners
    assert waits - owners - PAGED.keys() == {"EntriesAvailable"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_names_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"] in [{"severity": level} for level in ("critical", "warning", "info")]
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "$value" in notes["summary"] + notes["description"]
    assert notes["runbook_url"] == f"{PAGE}#{name.lower()}"


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert sorted(anchors(MANIFESTS.parent / PAGE)) == sorted(name.lower() for name in ALERTS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_that_there_are(rule: Any) -> None:
    asked = set(NAME.findall(rule["expr"]))
    assert asked
    assert {family(name) for name in asked} <= metrics().keys() | RECORDED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_selects_by_labels_that_the_metric_has(rule: Any) -> None:
    for name, selector in re.findall(rf"({NAME.pattern})\{{(.*?)\}}", rule["expr"]):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) - {"le"}
        assert labels <= metrics()[family(name)][1]


def test_the_classes_of_refusals_are_those_that_there_are() -> None:
    asked = {
        word
        for rule in RULES
        for pattern in re.findall(r'class=~"([^"]+)"', rule["expr"])
        for word in pattern.split("|")
    }
    assert asked
    assert asked <= {kind.value for kind in ErrorKind}


def test_reasons_that_are_left_out_are_reasons_that_there_are() -> None:
    source = MANIFESTS.parent / "src" / "dnatctl"
    code = "".join(path.read_text("utf-8") for path in source.rglob("*.py"))
    asked = {
        word
        for rule in RULES
        for pattern in re.findall(r'reason!~"([^"]+)"', rule["expr"])
        for word in pattern.split("|")
    }
    assert len(asked) > 10
    assert {reason for reason in asked if f'"{reason}"' not in code} == set()


SCHEMAS = Path(__file__).parent / "schemas"
OBJECTS = {
    file: yaml.safe_load((MANIFESTS / "monitoring" / f"{file}.yaml").read_text("utf-8"))
    for file in ("rules", "pod-monitor", "service-monitor")
}


def mistakes(item: Object) -> list[str]:
    """What the operator's definition of its kind does not know, or does not allow."""
    schema = json.loads((SCHEMAS / f"{item['kind'].lower()}.json").read_text("utf-8"))
    return [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(item)]


@pytest.mark.parametrize("file", OBJECTS)
def test_the_operators_definition_knows_every_field(file: str) -> None:
    assert mistakes(OBJECTS[file]) == []


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("rules", "groups", [{"name": "a", "rules": [{"alert": "A", "exp": "up"}]}]),
        ("pod-monitor", "podMetricsEndpoint", []),
        ("service-monitor", "endpoints", [{"port": "metrics", "interval": "30 s"}]),
    ],
)
def test_a_field_that_the_operator_would_drop_or_refuse_is_found(
    file: str, field: str, value: Any
) -> None:
    item = OBJECTS[file]
    assert mistakes(item | {"spec": item["spec"] | {field: value}})


BOARD = json.loads((MANIFESTS / "monitoring" / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]


class TestTheDashboard:
    @pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
    def test_a_panel_shows_metrics_that_there_are_of_the_job_that_is_chosen(
        self, panel: Any
    ) -> None:
        assert panel["description"]
        assert panel["targets"]
        for target in panel["targets"]:
            asked = NAME.findall(target["expr"])
            assert asked
            assert {family(name) for name in asked} <= metrics().keys()
            assert target["expr"].count('job=~"$job"') == len(asked)

    @pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
    def test_a_legend_names_labels_that_are_left(self, panel: Any) -> None:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"])

    def test_panels_lie_beside_one_another(self) -> None:
        taken = [
            (x, y)
            for panel in BOARD["panels"]
            for place in [panel["gridPos"]]
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(taken) == len(set(taken))
        assert max(x for x, _ in taken) < 24
        ids = [panel["id"] for panel in BOARD["panels"]]
        assert len(ids) == len(set(ids))


def monitored() -> tuple[Object, ...]:
    return with_component("monitoring")


def test_the_monitor_finds_the_service_and_the_other_the_pods() -> None:
    (monitor,) = (item for item in monitored() if item["kind"] == "ServiceMonitor")
    service = the("Service")
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {point["port"] for point in monitor["spec"]["endpoints"]} <= ports

    file = MANIFESTS / "monitoring" / "pod-monitor.yaml"
    spec = yaml.safe_load(file.read_text("utf-8"))["spec"]
    template = the("Deployment")["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    (container,) = template["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {point["port"] for point in spec["podMetricsEndpoints"]} <= ports


def test_the_component_brings_alerts_and_the_dashboard() -> None:
    kinds = {(item["kind"], item["metadata"]["name"]): item for item in monitored()}
    assert kinds["PrometheusRule", "dnatctl"]["spec"] == SPEC
    shown = kinds["ConfigMap", "dnatctl-dashboard"]
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(shown["data"]["dnatctl.json"]) == BOARD
