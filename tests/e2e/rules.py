"""The alerts and recording rules of the manifests, as Prometheus itself reads rules."""

from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[2] / "manifests" / "monitoring" / "rules.yaml"


def rule_groups() -> dict[str, Any]:
    """What a rule file holds: the part of the PrometheusRule that is not Kubernetes'."""
    spec: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))["spec"]
    return spec


def alert_names() -> list[str]:
    """Every alert."""
    rules = (rule for group in rule_groups()["groups"] for rule in group["rules"])
    return [rule["alert"] for rule in rules if "alert" in rule]
