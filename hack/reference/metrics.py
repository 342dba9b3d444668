"""docs/reference/metrics.md"""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase

from dnatctl.observe.metrics import Metrics
from dnatctl.observe.pods import PodCollector, PodCounts
from dnatctl.observe.pool import IpCount, PoolCollector, QuotaCount, TableCount
from dnatctl.observe.watches import WatchCollector, WatchCount
from reference.markdown import code, page, table

INTRODUCTION = """\
Served at `/metrics` on `--metrics-bind-address` (`:8080`), by a standby as well. Every series that
can be known beforehand is there from the start, at 0. No pod name or UID is ever a label. Beside
each counter and histogram the client library serves `NAME_created`, the Unix time at which a series
began, which is not listed here."""

STATES = (
    ("free", ("free", "orphan"), "may be handed out, once an orphan there is deleted"),
    ("used", ("used", "pending"), "claimed, whether or not an entry leads to the pod (yet)"),
    ("quarantined", ("resting",), "rests after use for `quarantine`"),
    ("foreign", ("foreign",), "covered by a row of somebody else's"),
)
"""What metrics and the status document call the states of a port, and what they are."""

STATES_TOLD = """\
`dnatctl_pool_ports` counts ports of the range that is offered now; what is in use outside of it is
in `dnatctl_leaving_endpoints`. Its label `state` is coarser than what
[`/status`](status.md#state) and `dnatctl status` tell of each port:"""


# The labels of a metric that is counted when asked for are seen only on its samples.
SOME_IP = IpCount("ngw-1", "192.0.2.1", "tcp", free=0, used=0, quarantined=0, foreign=0)
SOME_TABLE = TableCount(
    "ngw-1", own=0, foreign=0, orphan=0, backlog=0, limit=0, usable=True, read_at=0
)
SOME_QUOTA = QuotaCount("games", used=0, limit=0)
WAITS = ("waiting", "PoolExhausted")
SOME_PODS = PodCounts(waiting={WAITS: 1}, oldest={WAITS: 0})
SOME_WATCH = WatchCount(
    "pods", lists={"ok": 1}, watches={"closed": 1}, events={"ADDED": 1}, unreadable=0, contact_at=0
)


def render() -> str:
    """The page."""
    metrics = Metrics()
    metrics.registry.register(
        PoolCollector(lambda: [SOME_IP], lambda: [SOME_TABLE], lambda: [SOME_QUOTA])
    )
    metrics.registry.register(WatchCollector(lambda: [SOME_WATCH]))
    metrics.registry.register(PodCollector(lambda: SOME_PODS))
    families = {family.name: family for family in metrics.registry.collect()}
    labels = {
        collector._name: collector._labelnames  # noqa: SLF001 - the client has no public way
        for collector in vars(metrics).values()
        if isinstance(collector, MetricWrapperBase)
    }
    rows = (
        _row(family, labels.get(name) or _sampled(family))
        for name, family in sorted(families.items())
    )
    return page(
        "Metrics",
        "`src/dnatctl/observe/metrics.py`",
        INTRODUCTION,
        table(["Name", "Type", "Labels", "Meaning"], rows),
        STATES_TOLD,
        table(["`state`", "in `/status`", "Meaning"], map(_state, STATES)),
    )


def _state(state: tuple[str, tuple[str, ...], str]) -> list[str]:
    name, told, meaning = state
    return [code(name), ", ".join(map(code, told)), meaning]


def _sampled(family: Metric) -> tuple[str, ...]:
    shown = family.type in ("counter", "gauge", "info") and family.samples
    return tuple(family.samples[0].labels) if shown else ()


def _row(family: Metric, labels: tuple[str, ...]) -> list[str]:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    kind = "gauge" if family.type == "info" else family.type
    names = ", ".join(map(code, labels))
    return [code(f"{family.name}{suffix}"), kind, names, family.documentation]
