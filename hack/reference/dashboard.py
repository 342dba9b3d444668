"""manifests/monitoring/dashboard.json: rows of panels, laid out 24 units wide as Grafana does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reference.panels import SECTIONS, Panel

WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def render() -> str:
    """The file."""
    dashboard = {
        "annotations": {"list": []},
        "description": "Public endpoints for pods: room, pace, trouble. Made by `make docs`.",
        "editable": True,
        "graphTooltip": 1,
        "panels": list(_panels()),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["dnatctl", "kubernetes"],
        "templating": {"list": [_datasource(), _job()]},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": "dnatctl",
        "uid": "dnatctl",
        "version": 1,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for title, panels in SECTIONS.items():
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        yield {
            "collapsed": False,
            "gridPos": place,
            "id": number,
            "panels": [],
            "title": title,
            "type": "row",
        }
        number, x, y, height = number + 1, 0, y + 1, 0
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            yield _panel(panel, number, x, y)
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


def _panel(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "datasource": SOURCE,
        "description": panel.about,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "id": number,
        "options": _options(panel),
        "targets": [
            _target(ref, panel, *query) for ref, query in zip("ABCDEF", panel.queries, strict=False)
        ],
        "title": panel.title,
        "type": panel.kind,
    }


def _target(ref: str, panel: Panel, expr: str, legend: str) -> dict[str, Any]:
    kind = "heatmap" if panel.kind == "heatmap" else "time_series"
    return {
        "datasource": SOURCE,
        "expr": expr,
        "format": kind,
        "legendFormat": legend or "__auto",
        "refId": ref,
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.unit != "s":
        defaults["min"] = 0
    if panel.stacked:
        defaults["custom"] = {"fillOpacity": 20, "stacking": {"group": "A", "mode": "normal"}}
    if panel.kind == "stat":
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if panel.red is not None:
            steps.append({"color": "red", "value": panel.red})
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"]}}
    if panel.kind == "heatmap":
        return {"calculate": False, "yAxis": {"unit": "s"}}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}


def _datasource() -> dict[str, Any]:
    return {
        "label": "Prometheus",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }


def _job() -> dict[str, Any]:
    query = "label_values(dnatctl_build_info, job)"
    return {
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "datasource": SOURCE,
        "definition": query,
        "includeAll": True,
        "label": "Job",
        "name": "job",
        "query": {"query": query, "refId": "jobs"},
        "refresh": 2,
        "type": "query",
    }
