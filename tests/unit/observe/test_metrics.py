"""Metrics: all there from the first scrape, each with a help text, none with a pod in a label."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import Metric, generate_latest

from dnatctl import __version__
from dnatctl.observe.metrics import (
    CONTROLLER,
    DRIFT,
    OPERATIONS,
    QUEUE,
    RESULTS,
    Metrics,
    QueueObserver,
)
from dnatctl.observe.pods import PodCollector, PodCounts
from dnatctl.observe.pool import IpCount, PoolCollector, QuotaCount, TableCount

SECONDS = "_seconds"
IP = IpCount("ngw-1", "1.1.1.1", "tcp", free=7, used=5, quarantined=2, foreign=1)
TABLE = TableCount(
    "ngw-1", own=5, foreign=1, orphan=2, backlog=3, limit=100, usable=True, read_at=1.7e9
)
QUOTA = QuotaCount("games", used=4, limit=5)


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.registry.register(PoolCollector(lambda: [IP], lambda: [TABLE], lambda: [QUOTA]))
    return metrics


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in metrics.registry.collect()}


def value(metrics: Metrics, series: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(series, labels)


class TestTheFirstScrape:
    @pytest.mark.parametrize(
        ("name", "label", "values"),
        [
            ("controller_runtime_reconcile_total", "result", RESULTS),
            ("dnatctl_cloud_requests_total", "operation", OPERATIONS),
            ("dnatctl_cloud_request_duration_seconds_count", "operation", OPERATIONS),
            ("dnatctl_drift_repaired_total", "kind", DRIFT),
        ],
    )
    def test_every_series_that_can_be_known_is_there_at_0(self, metrics, name, label, values):
        more = {
            "controller_runtime_reconcile_total": {"controller": CONTROLLER},
            "dnatctl_cloud_requests_total": {"class": "ok"},
        }.get(name, {})
        assert {v: value(metrics, name, **{label: v}, **more) for v in values} == dict.fromkeys(
            values, 0.0
        )

    @pytest.mark.parametrize(
        "name",
        [
            "dnatctl_allocations_total",
            "dnatctl_releases_total",
            "dnatctl_adopted_entries_total",
            "dnatctl_gc_deleted_total",
            "dnatctl_pod_ready_seconds_count",
            "dnatctl_events_dropped",
        ],
    )
    def test_series_without_labels(self, metrics, name):
        assert value(metrics, name) == 0.0

    @pytest.mark.parametrize(
        "name",
        [
            "workqueue_depth",
            "workqueue_adds_total",
            "workqueue_queue_duration_seconds_count",
            "workqueue_work_duration_seconds_count",
            "workqueue_unfinished_work_seconds",
            "workqueue_longest_running_processor_seconds",
            "workqueue_retries_total",
        ],
    )
    def test_the_work_queue_under_the_names_that_dashboards_know(self, metrics, name):
        assert value(metrics, name, name=QUEUE, controller=CONTROLLER) == 0.0

    @pytest.mark.parametrize(
        "name",
        [
            "controller_runtime_reconcile_errors_total",
            "controller_runtime_reconcile_panics_total",
            "controller_runtime_reconcile_time_seconds_count",
            "controller_runtime_active_workers",
            "controller_runtime_max_concurrent_reconciles",
        ],
    )
    def test_the_controller_under_the_names_that_dashboards_know(self, metrics, name):
        assert value(metrics, name, controller=CONTROLLER) == 0.0

    def test_who_leads(self, metrics):
        assert value(metrics, "leader_election_master_status", name=CONTROLLER) == 0.0

    def test_the_version(self, metrics):
        assert value(metrics, "dnatctl_build_info", version=__version__) == 1.0


class TestEveryMetric:
    def test_has_a_help_text(self, metrics):
        for name, family in families(metrics).items():
            assert family.documentation, name
            assert family.documentation.endswith("."), name

    def test_is_announced_even_while_it_has_no_series(self, metrics):
        text = generate_latest(metrics.registry).decode()
        assert "# HELP dnatctl_problems_total Problems told to pods, by reason." in text
        assert "# TYPE dnatctl_table_writes_total counter" in text

    def test_is_named_by_the_rules(self, metrics):
        for name, family in families(metrics).items():
            if any(word in name for word in ("duration", "_time_", "timestamp")):
                assert name.endswith(SECONDS), name
            if family.type == "gauge":
                assert not name.endswith("_total"), name

    def test_names_no_pod(self, metrics):
        labels = {
            label
            for family in families(metrics).values()
            for sample in family.samples
            for label in sample.labels
        }
        assert labels.isdisjoint({"pod", "uid", "namespace", "key"})

    def test_has_a_registry_of_its_own(self):
        Metrics()
        Metrics()


def test_what_the_queue_tells_is_counted(metrics):
    queue, labels = QueueObserver(metrics), {"name": QUEUE, "controller": CONTROLLER}
    queue.added()
    queue.taken(0.25)
    queue.finished(1.5)
    queue.retried()
    assert value(metrics, "workqueue_adds_total", **labels) == 1.0
    assert value(metrics, "workqueue_queue_duration_seconds_sum", **labels) == 0.25
    assert value(metrics, "workqueue_work_duration_seconds_sum", **labels) == 1.5
    assert value(metrics, "workqueue_retries_total", **labels) == 1.0


def test_calls_to_the_cloud_are_counted_and_timed(metrics):
    metrics.observe_cloud("CreateForwardEntry", "ok", 0.2)
    metrics.observe_cloud("CreateForwardEntry", "busy", 0.1)
    count = {
        kind: value(
            metrics,
            "dnatctl_cloud_requests_total",
            **{"operation": "CreateForwardEntry", "class": kind},
        )
        for kind in ("ok", "busy")
    }
    assert count == {"ok": 1.0, "busy": 1.0}
    total = value(
        metrics, "dnatctl_cloud_request_duration_seconds_sum", operation="CreateForwardEntry"
    )
    assert total == pytest.approx(0.3)


class TestThePool:
    def test_ports_by_state(self, metrics):
        states = {
            state: value(
                metrics,
                "dnatctl_pool_ports",
                gateway="ngw-1",
                external_ip="1.1.1.1",
                protocol="tcp",
                state=state,
            )
            for state in ("free", "used", "quarantined", "foreign")
        }
        assert states == {"free": 7, "used": 5, "quarantined": 2, "foreign": 1}

    def test_entries_by_owner(self, metrics):
        owners = {
            owner: value(metrics, "dnatctl_forward_entries", gateway="ngw-1", owner=owner)
            for owner in ("own", "foreign", "orphan")
        }
        assert owners == {"own": 5, "foreign": 1, "orphan": 2}

    @pytest.mark.parametrize(
        ("name", "is_now"),
        [
            ("dnatctl_table_backlog", 3),
            ("dnatctl_table_entries_limit", 100),
            ("dnatctl_gateway_usable", 1),
            ("dnatctl_last_full_sync_timestamp_seconds", 1.7e9),
            ("dnatctl_last_write_timestamp_seconds", 0),
        ],
    )
    def test_tables(self, metrics, name, is_now):
        assert value(metrics, name, gateway="ngw-1") == is_now

    def test_a_limit_that_nobody_knows_has_no_series(self):
        """Of -1 every ratio would be wrong, and of the usual 100 where the quota was raised."""
        metrics = Metrics()
        table = replace(TABLE, limit=None)
        metrics.registry.register(PoolCollector(list, lambda: [table]))
        assert families(metrics)["dnatctl_table_entries_limit"].samples == []
        assert families(metrics)["dnatctl_table_backlog"].samples

    def test_namespaces_with_a_quota(self, metrics):
        assert value(metrics, "dnatctl_namespace_endpoints_used", resource_namespace="games") == 4
        assert value(metrics, "dnatctl_namespace_endpoints_limit", resource_namespace="games") == 5

    def test_they_are_asked_at_each_scrape(self):
        metrics, counts = Metrics(), [IP]
        metrics.registry.register(PoolCollector(lambda: counts, list))
        assert len(families(metrics)["dnatctl_pool_ports"].samples) == 4
        counts.clear()
        assert families(metrics)["dnatctl_pool_ports"].samples == []
        assert families(metrics)["dnatctl_forward_entries"].documentation


class TestTheConfiguration:
    def test_a_refused_file_leaves_the_date_of_the_good_one(self, metrics):
        metrics.config_read(good=True, at=1000)
        metrics.config_read(good=False, at=2000)
        assert value(metrics, "dnatctl_config_last_reload_successful") == 0
        assert value(metrics, "dnatctl_config_last_reload_success_timestamp_seconds") == 1000


class TestCredentials:
    NAME = "dnatctl_credentials_expire_timestamp_seconds"

    def test_that_do_not_expire_have_no_series(self, metrics):
        assert families(metrics)[self.NAME].samples == []

    def test_that_do_tell_when(self, metrics):
        metrics.credentials_expire.read = lambda: 1.7e9
        assert value(metrics, self.NAME) == 1.7e9


class TestThoseWhoWait:
    def test_by_state_and_reason_as_only_some_reasons_are_an_alert(self):
        metrics, pool, bad = Metrics(), ("waiting", "PoolExhausted"), ("waiting", "HostNetwork")
        counts = PodCounts(7, waiting={pool: 3, bad: 1}, oldest={pool: 12.0, bad: 9000.0})
        metrics.registry.register(PodCollector(lambda: counts))
        assert value(metrics, "dnatctl_pods_reachable") == 7
        waits = {"state": "waiting", "reason": "PoolExhausted"}
        assert value(metrics, "dnatctl_pods_waiting", **waits) == 3
        assert value(metrics, "dnatctl_pods_oldest_wait_seconds", **waits) == 12
