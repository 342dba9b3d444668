"""What the dashboard shows: panels in sections, each with its queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JOB = 'job=~"$job"'
RATE = "[$__rate_interval]"

Query = tuple[str, str]
"""PromQL, and the legend of its series."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` as Grafana names them; `red`: from which value on a stat is red."""

    title: str
    about: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    stacked: bool = False
    red: float | None = None


def _series(name: str, labels: str = "") -> str:
    return f"{name}{{{JOB}{', ' + labels if labels else ''}}}"


def _rate(name: str, by: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({_series(name, labels)}{RATE}))"


def _quantile(share: float, name: str, by: str = "") -> str:
    grouped = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {_rate(f'{name}_bucket', grouped)})"


def _stat(title: str, about: str, query: str, legend: str = "", **more: Any) -> Panel:
    return Panel(title, about, ((query, legend),), kind="stat", width=4, height=4, **more)


FREE = _series("dnatctl_pool_ports", 'state="free"')
ROWS = _series("dnatctl_forward_entries")
LIMIT = f"max by (gateway) (last_over_time({_series('dnatctl_table_entries_limit')}[1h]))"
WAITING = _series("dnatctl_pods_waiting", 'state="waiting"')
OLDEST = _series("dnatctl_pods_oldest_wait_seconds", 'state="waiting"')

QUOTA_USED = _series("dnatctl_namespace_endpoints_used")
QUOTA = _series("dnatctl_namespace_endpoints_limit")

ROOM = (
    _stat("Free ports", "Of all gateways.", f"sum by (protocol) ({FREE})", "{{protocol}}"),
    _stat(
        "Rows left",
        "Where the limit is known: maxEntries, or learned from a refusal.",
        f"{LIMIT} - on (gateway) sum by (gateway) ({ROWS})",
        "{{gateway}}",
    ),
    _stat("Reachable pods", "All their ports are.", f"sum({_series('dnatctl_pods_reachable')})"),
    _stat("Waiting pods", "For whatever reason.", f"sum({WAITING}) or vector(0)", red=1),
    _stat("Longest wait", "For endpoints.", f"max({OLDEST}) or vector(0)", unit="s", red=300),
    _stat(
        "Leaders",
        "One is as it should be.",
        f"sum({_series('leader_election_master_status')})",
    ),
    Panel(
        "Free ports by EIP",
        "Ports of the configured range that can be handed out.",
        ((f"sum by (external_ip, protocol) ({FREE})", "{{external_ip}} {{protocol}}"),),
    ),
    Panel(
        "Rows of the forward tables",
        "Own ones, those of others, and orphans; the limit where it is known.",
        (
            (f"sum by (gateway, owner) ({ROWS})", "{{gateway}} {{owner}}"),
            (LIMIT, "{{gateway}} limit"),
        ),
    ),
    Panel(
        "Quotas of namespaces",
        "Share used, of namespaces that have a quota.",
        (
            (
                f"max by (resource_namespace) ({QUOTA_USED} / {QUOTA})",
                "{{resource_namespace}}",
            ),
        ),
        unit="percentunit",
    ),
)

REACHED = "dnatctl_pod_reachable_seconds"
SOON = _series(f"{REACHED}_bucket", 'le=~"30([.]0)?"')
REACHED_ALL = _series(f"{REACHED}_count")

PACE = (
    Panel(
        "From pod IP to reachable",
        "What a pod waits for its endpoints.",
        ((_quantile(0.5, REACHED), "p50"), (_quantile(0.99, REACHED), "p99")),
        unit="s",
    ),
    Panel(
        "Reachable within 30 s",
        "Share of the pods of the last hour.",
        (
            (
                f"sum(rate({SOON}[1h])) / sum(rate({REACHED_ALL}[1h]))",
                "within 30 s",
            ),
        ),
        unit="percentunit",
    ),
    Panel(
        "How long pods waited",
        "The same, spread out.",
        ((f"sum by (le) (increase({_series(f'{REACHED}_bucket')}{RATE}))", "{{le}}"),),
        kind="heatmap",
        unit="s",
    ),
    Panel(
        "Backlog",
        "Writes that wait for a table, which takes one at a time.",
        ((f"sum by (gateway) ({_series('dnatctl_table_backlog')})", "{{gateway}}"),),
    ),
    Panel(
        "Writes by outcome",
        "To forward tables, a second.",
        ((_rate("dnatctl_table_writes_total", "operation, outcome"), "{{operation}} {{outcome}}"),),
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Claims and releases",
        "A second.",
        (
            (f"sum(rate({_series('dnatctl_allocations_total')}{RATE}))", "claims"),
            (f"sum(rate({_series('dnatctl_releases_total')}{RATE}))", "releases"),
        ),
        unit="ops",
    ),
    Panel(
        "Calls to the cloud",
        "By class of the answer.",
        ((_rate("dnatctl_cloud_requests_total", "class"), "{{class}}"),),
        unit="ops",
        stacked=True,
    ),
    Panel(
        "Time of calls to the cloud",
        "p99 by operation.",
        (
            (
                _quantile(0.99, "dnatctl_cloud_request_duration_seconds", "operation"),
                "{{operation}}",
            ),
        ),
        unit="s",
    ),
    Panel(
        "Time in the work queue",
        "p99: until a worker takes a pod, and for which it works on it.",
        (
            (_quantile(0.99, "workqueue_queue_duration_seconds"), "waits"),
            (_quantile(0.99, "workqueue_work_duration_seconds"), "in work"),
        ),
        unit="s",
    ),
)

PROBLEMS = _series("dnatctl_problems_total")
HEARD = _series("dnatctl_watch_last_contact_timestamp_seconds")
READ = _series("dnatctl_last_full_sync_timestamp_seconds")
WRITTEN = _series("dnatctl_last_write_timestamp_seconds")

TROUBLE = (
    Panel(
        "Who waits, by reason",
        "Pods that wait for endpoints, and releases that go on.",
        (
            (
                f"sum by (state, reason) ({_series('dnatctl_pods_waiting')}) or vector(0)",
                "{{state}} {{reason}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Problems told to pods",
        "By reason, within the interval.",
        (
            (
                f"sum by (reason) (increase({PROBLEMS}{RATE})) or vector(0)",
                "{{reason}}",
            ),
        ),
    ),
    Panel(
        "Rows that are not as they should be",
        "Put right (drift), orphans deleted and held, rows of another cluster with this ID.",
        (
            (
                f"sum by (kind) (increase({_series('dnatctl_drift_repaired_total')}[1h]))",
                "{{kind}} by others, 1 h",
            ),
            (f"sum(increase({_series('dnatctl_gc_deleted_total')}[1h]))", "orphans deleted, 1 h"),
            (f"max({_series('dnatctl_gc_held')})", "orphans held"),
            (f"max({_series('dnatctl_other_cluster_entries')})", "of another cluster"),
        ),
    ),
    Panel(
        "What is not usable",
        "1 where a gateway, the configuration file or the CRD is not as it should be.",
        (
            (f"1 - max by (gateway) ({_series('dnatctl_gateway_usable')})", "{{gateway}}"),
            (f"1 - min({_series('dnatctl_config_last_reload_successful')})", "configuration"),
            (f"max by (kind) ({_series('dnatctl_definition_trouble')})", "CRD {{kind}}"),
        ),
    ),
    Panel(
        "Since it was last heard of",
        "Watches of the API server, readings of and writes to the tables.",
        (
            (
                f"time() - min by (resource) ({HEARD})",
                "watch of {{resource}}",
            ),
            (
                f"time() - max by (gateway) ({READ} > 0)",
                "{{gateway}} read",
            ),
            (
                f"time() - max by (gateway) ({WRITTEN} > 0)",
                "{{gateway}} written",
            ),
        ),
        unit="s",
    ),
    Panel(
        "Credentials: time left",
        "Of those that expire.",
        (
            (
                f"min({_series('dnatctl_credentials_expire_timestamp_seconds')}) - time()",
                "until expiry",
            ),
        ),
        unit="s",
    ),
)

PROCESS = (
    Panel(
        "Reconciliations",
        "By result.",
        ((_rate("controller_runtime_reconcile_total", "result"), "{{result}}"),),
        unit="ops",
    ),
    Panel(
        "Queue",
        "Pods that are due; for how long the longest is in work.",
        (
            (f"sum({_series('workqueue_depth')})", "due"),
            (
                f"max({_series('workqueue_longest_running_processor_seconds')})",
                "longest in work, s",
            ),
        ),
    ),
    Panel(
        "Requests to the API server",
        "By code.",
        ((_rate("rest_client_requests_total", "code"), "{{code}}"),),
        unit="ops",
        stacked=True,
    ),
    Panel(
        "CPU",
        "By replica.",
        ((_rate("process_cpu_seconds_total", "instance"), "{{instance}}"),),
        unit="percentunit",
    ),
    Panel(
        "Memory",
        "Resident, by replica.",
        ((f"max by (instance) ({_series('process_resident_memory_bytes')})", "{{instance}}"),),
        unit="bytes",
    ),
    Panel(
        "Threads and what was dropped",
        "Threads in trouble; events, log lines and connections that were given up.",
        (
            (f"max({_series('dnatctl_threads_late')})", "threads in trouble"),
            (f"sum({_series('dnatctl_events_dropped')})", "events"),
            (f"sum({_series('dnatctl_log_lines_dropped_total')})", "log lines"),
            (f"sum({_series('dnatctl_http_connections_dropped_total')})", "connections"),
        ),
    ),
)

SECTIONS = {
    "Can I expose one more?": ROOM,
    "Pace": PACE,
    "Trouble": TROUBLE,
    "Process": PROCESS,
}
