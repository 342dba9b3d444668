"""Every metric there is. All series that can be known beforehand exist, at 0, from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dnatctl import __version__

CONTROLLER = "dnatctl"
QUEUE = "poddnat"
_NAMES = ("name", "controller")
_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_QUEUE_SECONDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000)
_READY_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
_REACHABLE_SECONDS = (0.025, 0.05, *_READY_SECONDS, 3600)

OPERATIONS = (
    "CreateForwardEntry",
    "DeleteForwardEntry",
    "ModifyForwardEntry",
    "DescribeForwardTableEntries",
    "DescribeNatGateways",
    "DescribeEipAddresses",
    "DescribeNetworkInterfaces",
)
RESULTS = ("success", "error", "requeue", "requeue_after")
DRIFT = ("deleted", "changed")
DEFINITION_TROUBLE = ("going", "gone", "older")


class Queue(Protocol):
    """What is asked of a work queue; times in seconds."""

    def __len__(self) -> int:
        """Keys that are due."""
        ...

    def unfinished_seconds(self) -> float:
        """Time spent on keys in work, summed."""
        ...

    def longest_running_seconds(self) -> float:
        """Time spent on the key that is longest in work."""
        ...


class Metrics:
    """The program's metrics, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._controller()
        self._work_queue()
        self._cloud()
        self._exposures()
        self._process()
        ProcessCollector(registry=self.registry)
        info = Info("dnatctl_build", "Version of the program.", registry=self.registry)
        info.info({"version": __version__})

    def _counter(self, name: str, text: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(name, text, tuple(labels), registry=self.registry)

    def _gauge(self, name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(name, text, tuple(labels), registry=self.registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], labels: Iterable[str] = ()
    ) -> Histogram:
        return Histogram(name, text, tuple(labels), buckets=buckets, registry=self.registry)

    def _controller(self) -> None:
        runtime = "controller_runtime"
        self.reconciles = self._counter(
            f"{runtime}_reconcile", "Reconciliations by result.", ("controller", "result")
        )
        self.reconcile_errors = self._counter(
            f"{runtime}_reconcile_errors", "Reconciliations that failed.", ("controller",)
        )
        self.reconcile_panics = self._counter(
            f"{runtime}_reconcile_panics",
            "Reconciliations that ended with an unknown exception.",
            ("controller",),
        )
        self.reconcile_seconds = self._histogram(
            f"{runtime}_reconcile_time_seconds",
            "Time a reconciliation took.",
            _SECONDS,
            ("controller",),
        )
        self.active_workers = self._gauge(
            f"{runtime}_active_workers", "Workers that are busy.", ("controller",)
        )
        self.max_workers = self._gauge(
            f"{runtime}_max_concurrent_reconciles", "Workers there are.", ("controller",)
        )
        self.leading = self._gauge(
            "leader_election_master_status", "1 while this process leads.", ("name",)
        )
        self.leading.labels(CONTROLLER).set(0)
        self.kube_requests = self._counter(
            "rest_client_requests",
            "Requests to the API server.",
            ("code", "method", "host"),
        )
        self.events_dropped = self._gauge(
            "dnatctl_events_dropped", "Events not written since the start: queue full, or refused."
        )
        for result in RESULTS:
            self.reconciles.labels(CONTROLLER, result)
        for metric in (self.reconcile_errors, self.reconcile_panics, self.reconcile_seconds):
            metric.labels(CONTROLLER)
        for gauge in (self.active_workers, self.max_workers):
            gauge.labels(CONTROLLER)

    def _work_queue(self) -> None:
        self.queue_depth = self._gauge("workqueue_depth", "Keys that are due.", _NAMES)
        self.queue_adds = self._counter("workqueue_adds", "Keys that became due.", _NAMES)
        self.queue_waited = self._histogram(
            "workqueue_queue_duration_seconds",
            "Time keys were due before a worker took them.",
            _QUEUE_SECONDS,
            _NAMES,
        )
        self.queue_worked = self._histogram(
            "workqueue_work_duration_seconds",
            "Time workers took for a key.",
            _QUEUE_SECONDS,
            _NAMES,
        )
        self.queue_unfinished = self._gauge(
            "workqueue_unfinished_work_seconds", "Time spent on keys in work, summed.", _NAMES
        )
        self.queue_longest = self._gauge(
            "workqueue_longest_running_processor_seconds",
            "Time spent on the key that is longest in work.",
            _NAMES,
        )
        self.queue_retries = self._counter(
            "workqueue_retries", "Keys added again with back-off.", _NAMES
        )
        for metric in (
            self.queue_depth,
            self.queue_adds,
            self.queue_waited,
            self.queue_worked,
            self.queue_unfinished,
            self.queue_longest,
            self.queue_retries,
        ):
            metric.labels(QUEUE, CONTROLLER)

    def follow(self, queue: Queue) -> None:
        """Ask the queue at each scrape."""
        labels = (QUEUE, CONTROLLER)
        self.queue_depth.labels(*labels).set_function(lambda: len(queue))
        self.queue_unfinished.labels(*labels).set_function(queue.unfinished_seconds)
        self.queue_longest.labels(*labels).set_function(queue.longest_running_seconds)

    def _cloud(self) -> None:
        self.cloud_requests = self._counter(
            "dnatctl_cloud_requests",
            "Calls to the cloud; class is ok or the class of the error.",
            ("operation", "class"),
        )
        self.cloud_seconds = self._histogram(
            "dnatctl_cloud_request_duration_seconds",
            "Time calls to the cloud took, waiting for the rate limit not included.",
            _SECONDS,
            ("operation",),
        )
        self.table_writes = self._counter(
            "dnatctl_table_writes",
            "Writes sent to a forward table; outcome is ok or the class of the error.",
            ("gateway", "operation", "outcome"),
        )
        for operation in OPERATIONS:
            self.cloud_requests.labels(operation, "ok")
            self.cloud_seconds.labels(operation)

    def _exposures(self) -> None:
        self.ready_seconds = self._histogram(
            "dnatctl_pod_ready_seconds",
            "Time from the claim of a pod's endpoints until all its entries were usable.",
            _READY_SECONDS,
        )
        self.reachable_seconds = self._histogram(
            "dnatctl_pod_reachable_seconds",
            "Time from when a pod's IP was known until all its entries were usable, the first time "
            "for that pod and IP.",
            _REACHABLE_SECONDS,
        )
        self.drift_repaired = self._counter(
            "dnatctl_drift_repaired",
            "Entries that somebody else deleted or changed and that were put right.",
            ("kind",),
        )
        self.allocations = self._counter("dnatctl_allocations", "Claims made for pods.")
        self.releases = self._counter("dnatctl_releases", "Claims released.")
        self.problems = self._counter(
            "dnatctl_problems", "Problems told to pods, by reason.", ("reason",)
        )
        self.adopted = self._counter(
            "dnatctl_adopted_entries", "Entries of the older controller that were adopted."
        )
        self.orphans_deleted = self._counter(
            "dnatctl_gc_deleted", "Orphan entries whose deletion was asked for."
        )
        self.orphans_held = self._gauge(
            "dnatctl_gc_held", "Orphan entries that are not deleted until a person has looked."
        )
        self.strangers = self._gauge(
            "dnatctl_other_cluster_entries",
            "Entries that another cluster with the same clusterID made.",
        )
        self.definition_trouble = self._gauge(
            "dnatctl_definition_trouble",
            "1 where the CRD of PodDNATs is being deleted (going), gone, or lacks fields (older).",
            ("kind",),
        )
        for kind in DEFINITION_TROUBLE:
            self.definition_trouble.labels(kind)
        for kind in DRIFT:
            self.drift_repaired.labels(kind)

    def _process(self) -> None:
        self.config_good = self._gauge(
            "dnatctl_config_last_reload_successful",
            "1 if the configuration file, as it was last read, is good; 0 if it was refused and "
            "what was read before is still in use.",
        )
        self.config_good_at = self._gauge(
            "dnatctl_config_last_reload_success_timestamp_seconds",
            "When the configuration file was last read and good.",
        )
        self.credentials_expire = MaybeGauge(
            "dnatctl_credentials_expire_timestamp_seconds",
            "When the credentials in use expire. No series for keys that do not, and where none "
            "have been used yet, as on a standby.",
            self.registry,
        )
        self.log_lines_dropped = Counted(
            "dnatctl_log_lines_dropped",
            "Log lines not written: standard error is blocked, gone or too slow.",
            self.registry,
        )
        self.http_connections_dropped = Counted(
            "dnatctl_http_connections_dropped",
            "Connections to the metrics and health ports closed before they were served: too slow, "
            "too many at once, or no HTTP.",
            self.registry,
        )
        self.threads_late = self._gauge(
            "dnatctl_threads_late",
            "Threads that have died or give no sign of life: the process is about to end.",
        )

    def config_read(self, *, good: bool, at: float) -> None:
        """The configuration file was read at a Unix time, and was good or refused."""
        self.config_good.set(good)
        if good:
            self.config_good_at.set(at)

    def observe_cloud(self, operation: str, kind: str, seconds: float) -> None:
        """A call to the cloud has ended; `kind` is `ok` or the class of the error."""
        self.cloud_requests.labels(operation, kind).inc()
        self.cloud_seconds.labels(operation).observe(seconds)


class MaybeGauge(Collector):
    """A gauge that is kept elsewhere, and that has a value only at times."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry) -> None:
        self.read: Callable[[], float | None] = lambda: None
        """What it stands at; None: there is nothing to tell."""
        self._name, self._text = name, text
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        yield GaugeMetricFamily(self._name, self._text, value=self.read())


class Counted(Collector):
    """A counter that is kept elsewhere, by who must not wait for a lock of this library."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry) -> None:
        self.read: Callable[[], float] = lambda: 0
        """What it stands at."""
        self._name, self._text = name, text
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See prometheus_client."""
        yield CounterMetricFamily(self._name, self._text, value=self.read())


class QueueObserver:
    """Tells the work queue's metrics what happens in it."""

    def __init__(self, metrics: Metrics) -> None:
        labels = (QUEUE, CONTROLLER)
        self._adds = metrics.queue_adds.labels(*labels)
        self._waited = metrics.queue_waited.labels(*labels)
        self._worked = metrics.queue_worked.labels(*labels)
        self._retries = metrics.queue_retries.labels(*labels)

    def added(self) -> None:
        """A key became due."""
        self._adds.inc()

    def taken(self, waited: float) -> None:
        """A worker took a key that had been due for so many seconds."""
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        """A worker was done after so many seconds."""
        self._worked.observe(worked)

    def retried(self) -> None:
        """A key was added with back-off."""
        self._retries.inc()
