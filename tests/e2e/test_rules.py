"""Every alert fires when it should, and no other then: promtool, on made-up series."""

import shutil
from pathlib import Path

import yaml

from tests.e2e.prometheus import promtool
from tests.e2e.rules import alert_names, rule_groups

CASES = Path(__file__).with_name("rules_test.yaml")


def test_rules_are_as_prometheus_reads_them_and_fire_when_they_should(tmp_path: Path) -> None:
    """Shown to fail by each of: a threshold, a `for`, a label or a metric's name changed."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule_groups()), "utf-8")
    shutil.copy(CASES, tmp_path)
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yaml")
    promtool("test", "rules", tmp_path / CASES.name)


def test_every_alert_has_its_case() -> None:
    cases = yaml.safe_load(CASES.read_text("utf-8"))["tests"]
    assert sorted(case["name"] for case in cases) == sorted(alert_names())
