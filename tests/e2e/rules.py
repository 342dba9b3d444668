"""The alerts and recording rules of the manifests, as Prometheus itself reads rules."""

import re
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[2] / "manifests" / "monitoring" / "rules.yaml"


def rule_groups() -> dict[str, Any]:
    """What a rule file holds: the part of the PrometheusRule that is not Kubernetes'."""
    spec: dict[str, Any] = yaml.safe_load(RULES.read_text("utf-8"))["spec"]
    return spec


IN_A_HURRY = [
    # How long a state must last, what is looked back at, and what counts as too long or too many.
    (r"^ +for: \w+\n", ""),
    (r"\[5m\]", "[10s]"),
    (r"\[10m\]", "[2m]"),
    (r"\[(1h|1d)\]", "[1m]"),
    (r'le=~"30\(\\\\\.0\)\?"', 'le="0.025"'),
    (r"\) >= 10$", ") >= 1"),
    (r"> 180$", "> 75"),
    (r"> 600$", "> 10"),
    (r"> (300|900)$", "> 2"),
    (r">= 80$", ">= 2"),
]
"""What makes every alert fire within seconds: pattern and replacement, of lines of the file."""


def hurried_rules() -> str:
    """The rules as a rule file, with times and thresholds for tests that cannot wait."""
    text = RULES.read_text("utf-8")
    for pattern, replacement in IN_A_HURRY:
        text, changes = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert changes, pattern
    return str(yaml.safe_dump(yaml.safe_load(text)["spec"]))


def alert_names() -> list[str]:
    """Every alert."""
    rules = (rule for group in rule_groups()["groups"] for rule in group["rules"])
    return [rule["alert"] for rule in rules if "alert" in rule]
