"""A real Prometheus can be pointed at what a test runs."""

from pathlib import Path

import pytest

from hack.controlplane.process import ProcessError
from tests.e2e.control_plane import ControlPlane
from tests.e2e.prometheus import Prometheus, job, promtool


def api_server_job(control_plane: ControlPlane) -> dict[str, object]:
    address = control_plane.url.removeprefix("https://")
    return job("apiserver", address) | {
        "scheme": "https",
        "authorization": {"credentials": control_plane.tokens["admin"]},
        "tls_config": {"ca_file": str(control_plane.authority)},
    }


def test_it_scrapes_and_answers_queries(control_plane: ControlPlane, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        """
groups:
  - name: test
    rules: [{alert: ApiServerIsUp, expr: "up == 1", labels: {severity: none}}]
"""
    )
    jobs = [api_server_job(control_plane)]
    with Prometheus(tmp_path / "prometheus", jobs, rule_files=[rules]) as prometheus:
        assert prometheus.wait_for("apiserver_request_total > 0") > 0
        assert [target["health"] for target in prometheus.targets()] == ["up"]
        prometheus.wait_for('ALERTS{alertname="ApiServerIsUp"}')
        assert [alert["state"] for alert in prometheus.alerts()] == ["firing"]
        with pytest.raises(ValueError, match="parse error"):
            prometheus.query("up +")


def test_a_bad_configuration_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="unknown_key"):
        Prometheus(tmp_path / "prometheus", [{"unknown_key": 1}]).start()


def test_promtool_tells_good_metrics_from_bad() -> None:
    good = "# HELP a_total As.\n# TYPE a_total counter\na_total 1\n"
    promtool("check", "metrics", stdin=good)
    with pytest.raises(AssertionError, match="_total"):
        promtool("check", "metrics", stdin=good.replace("a_total", "a"))
