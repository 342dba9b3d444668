"""The workers: threads that take keys from the queue, one at a time each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from random import getrandbits

import structlog

from dnatctl.baton import Baton, put_down
from dnatctl.clock import Clock, Deadline
from dnatctl.cloud.api import Stopped
from dnatctl.control.state.queue import QueueMetrics, WorkQueue
from dnatctl.control.worker.often import Often
from dnatctl.heartbeat import Heartbeats
from dnatctl.kube.errors import Failure, KubeError
from dnatctl.loop import Loop
from dnatctl.objects import PodRef
from dnatctl.observe.metrics import CONTROLLER, Metrics

log = structlog.get_logger(__name__)

EXPECTED = (Failure.CONFLICT, Failure.TOO_MANY_REQUESTS, Failure.UNREACHABLE, Failure.CANCELLED)
"""Failures of the API server that happen in good order: retried, not counted as errors."""


WAIT_S = 20.0
"""Longest wait for work, which a key ends: so often there is a sign of life at rest."""

WORK_S = 90.0
"""Longest work for one pod: a dozen requests, of which some wait for a slow API server."""


def pod_queue(clock: Clock, metrics: QueueMetrics, workers: int) -> WorkQueue[PodRef]:
    """The pods that want work: of one name one at a time, and namespaces in turn."""
    return WorkQueue(
        clock=clock,
        lane=attrgetter("key"),
        share=attrgetter("key.namespace"),
        workers=workers,
        metrics=metrics,
    )


class Workers:
    """Runs `reconcile` for the pods of a queue.

    `successor` names who stands for the name of a pod that no longer does: its work is handed
    over, so that timers and back-off end with the pod they were for. One worker at a time thinks
    (`dnatctl.baton`), the others wait for answers.
    """

    def __init__(
        self,
        queue: WorkQueue[PodRef],
        reconcile: Callable[[PodRef], float | None],
        successor: Callable[[PodRef], PodRef | None],
        metrics: Metrics,
        clock: Clock,
        count: int,
        hearts: Heartbeats,
        baton: Baton | None = None,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._successor = successor
        self._metrics = metrics
        self._clock = clock
        self._often = Often()
        self._baton = baton or Baton()
        self._lock = threading.Lock()
        """Guards `_often`."""
        self._results = {
            result: metrics.reconciles.labels(CONTROLLER, result)
            for result in ("success", "error", "requeue", "requeue_after")
        }
        self._active = metrics.active_workers.labels(CONTROLLER)
        self._seconds = metrics.reconcile_seconds.labels(CONTROLLER)
        metrics.max_workers.labels(CONTROLLER).set(count)
        self._loops = [
            Loop(f"dnatctl-worker-{n}", partial(self._step, n), hearts, longest_s=WAIT_S)
            for n in range(count)
        ]

    def start(self) -> None:
        """Start working."""
        for loop in self._loops:
            loop.start()

    def join(self, deadline: Deadline) -> bool:
        """Wait for the keys in hand, after the queue was shut down; whether all are done with."""
        return all(loop.join(deadline.left) for loop in self._loops)

    def _step(self, number: int) -> float | None:
        # Only what is thought about next is taken from the queue: it decides whose turn that is.
        with self._baton.in_hand():
            ref = self._queue.get(timeout=0)
            if ref is None:
                with put_down():
                    ref = self._queue.get(timeout=WAIT_S)
            if ref is not None:
                self._loops[number].by(WORK_S, ref)
                self._take(ref)
        return None if self._queue.closed else 0.0

    def _take(self, ref: PodRef) -> None:
        started = self._clock.monotonic()
        self._active.inc()
        try:
            if not self._handed_over(ref) and not self._put_off(ref, started):
                self._work(ref)
        finally:
            self._active.dec()
            self._seconds.observe(self._clock.monotonic() - started)
            self._queue.done(ref)

    def _handed_over(self, ref: PodRef) -> bool:
        successor = self._successor(ref)
        if successor is None:
            return False
        self._queue.drop(ref)
        self._queue.add(successor)
        return True

    def _put_off(self, ref: PodRef, now: float) -> bool:
        """Whether the name has been worked on too often lately: then it has to wait."""
        with self._lock:
            wait = self._often.wait(ref.key, now)
        if wait > 0:
            self._queue.add_after(ref, wait)
        return wait > 0

    def _work(self, ref: PodRef) -> None:
        with structlog.contextvars.bound_contextvars(
            key=str(ref.key),
            pod_uid=ref.uid,
            # Not uuid4: its system call hands the interpreter to another thread, 45 us each time.
            reconcile_id=f"{getrandbits(48):012x}",
        ):
            log.debug("reconciliation began")
            try:
                again = self._reconcile(ref)
            except Stopped:
                return
            except KubeError as error:
                self._failed(ref, error)
            except Exception:
                # A bug must not stop the others: counted, and tried again ever more slowly.
                log.exception("reconciliation failed")
                self._metrics.reconcile_panics.labels(CONTROLLER).inc()
                self._error(ref)
            else:
                self._queue.forget(ref)
                self._results["success" if again is None else "requeue_after"].inc()
                if again is not None:
                    self._queue.add_after(ref, again)
            finally:
                log.debug("reconciliation ended")

    def _failed(self, ref: PodRef, error: KubeError) -> None:
        if error.failure in EXPECTED:
            self._results["requeue"].inc()
            if error.retry_after is not None:
                self._queue.add_after(ref, error.retry_after)
            else:
                self._queue.add_rate_limited(ref)
            return
        log.warning("reconciliation failed", error=str(error))
        self._error(ref)

    def _error(self, ref: PodRef) -> None:
        self._results["error"].inc()
        self._metrics.reconcile_errors.labels(CONTROLLER).inc()
        self._queue.add_rate_limited(ref)
