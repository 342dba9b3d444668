"""The two threads of one gateway's table, next door to each other: one reads it, one writes."""

from __future__ import annotations

from collections.abc import Callable

from dnatctl.cloud.api import CloudApi
from dnatctl.cloud.operation import Operation
from dnatctl.control.gateway.first_reads import FirstReads
from dnatctl.control.gateway.listener import Listener
from dnatctl.control.gateway.poller import TablePoller
from dnatctl.control.gateway.remains import Remains
from dnatctl.control.gateway.writer import TableWriter
from dnatctl.control.state.views import Views
from dnatctl.heartbeat import Heartbeats
from dnatctl.observe.metrics import Metrics
from dnatctl.table.backlog import Backlog
from dnatctl.table.view import Change
from dnatctl.table.writes import CreateRow, DeleteRow, ModifyRow, Write

OPERATION = {
    CreateRow: Operation.CREATE,
    ModifyRow: Operation.MODIFY,
    DeleteRow: Operation.DELETE,
}


class TableThreads:
    """Reads and writes one table. `in_doubt` is called where its gateway, or an EIP of it, is not
    as it was described.
    """

    def __init__(
        self,
        gateway_id: str,
        views: Views,
        cloud: CloudApi,
        *,
        listener: Listener,
        remains: Remains,
        metrics: Metrics,
        in_doubt: Callable[[], None],
        fence: Callable[[], bool],
        idle_s: float,
        longest_idle_s: float | None = None,
        first_reads: FirstReads | None = None,
        hearts: Heartbeats | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self._gateway_id = gateway_id
        self._metrics = metrics
        self.in_doubt = in_doubt
        self.writer = TableWriter(
            gateway_id,
            views,
            cloud,
            listener=listener,
            next_door=self,
            fence=fence,
            hearts=hearts,
            backlog=backlog,
        )
        self.poller = TablePoller(
            gateway_id,
            views,
            cloud,
            writer=self.writer,
            listener=listener,
            remains=remains,
            idle_s=idle_s,
            longest_idle_s=longest_idle_s,
            first_reads=first_reads,
            hearts=hearts,
        )

    def start(self) -> None:
        """Start reading and writing."""
        self.poller.start()
        self.writer.start()

    def complaints(self) -> list[str]:
        """What is wrong with reading the table, writing to it or its rows, for people."""
        return [*self.writer.complaints(), *self.poller.complaints()]

    # --- what the writer tells

    def written(self, write: Write, outcome: str) -> None:
        """A write was answered; the outcome is `ok` or an error kind."""
        self._metrics.table_writes.labels(self._gateway_id, OPERATION[type(write)], outcome).inc()
        if outcome == "ok":
            self.poller.nudge()

    def changed(self, changes: list[Change]) -> None:
        """An answer has shown rows otherwise than was known."""
        if changes:
            self.poller.tell(changes)

    def read_soon(self) -> None:
        """The view of the table is in doubt."""
        self.poller.read_soon()
