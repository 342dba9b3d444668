"""An operator as one would write it in an afternoon: kopf, the vendor's SDK, and patience.

For each pod that asks: read the table to find a free port, create the entry (again a second later
where the table is busy), and read it every half second until it is Available; then tell the pod.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import threading
import time
from pathlib import Path
from typing import Any

import kopf

from dnatctl_sim.cloud.spec import REGION
from hack.bench.objects import FIRST_PORT, PREFIX
from hack.bench.yardsticks.kopf_idle import log_in
from hack.bench.yardsticks.oracle import create_request, vpc_client

RETRY_S, POLL_S = 1.0, 0.5


class Naive:
    """One table."""

    def __init__(self, endpoint: str, table: str, eip: str) -> None:
        self._cloud = vpc_client(endpoint)
        self._table, self._eip = table, eip
        self._lock = threading.Lock()
        self._given: set[int] = set()
        self._rows: dict[str, str] = {}

    def expose(self, uid: str, ip: str) -> str:
        """Bring a pod's entry to Available; the endpoint."""
        port = self._free_port()
        try:
            row = self._rows.get(uid) or self._create(port, ip)
        except Exception as error:
            with self._lock:
                self._given.discard(port)
            raise kopf.TemporaryError(str(error), delay=RETRY_S) from error
        self._rows[uid] = row
        while self._find(row) != "Available":
            time.sleep(POLL_S)
        return f"{self._eip}:{port}"

    def _create(self, port: int, ip: str) -> str:
        request = create_request(self._table, self._eip, port - FIRST_PORT, ip)
        request.client_token = None
        return str(self._cloud.create_forward_entry(request).body.forward_entry_id)

    def _free_port(self) -> int:
        taken = {int(row.external_port) for row in self._read()}
        with self._lock:
            port = next(p for p in itertools.count(FIRST_PORT) if p not in taken | self._given)
            self._given.add(port)
        return port

    def _read(self, **filters: Any) -> list[Any]:
        from alibabacloud_vpc20160428 import models

        rows: list[Any] = []
        for page in itertools.count(1):
            request = models.DescribeForwardTableEntriesRequest(
                region_id=REGION, forward_table_id=self._table, page_number=page, page_size=50,
                **filters,
            )  # fmt: skip
            body = self._cloud.describe_forward_table_entries(request).body
            found = body.forward_table_entries.forward_table_entry or []
            rows += found
            if len(found) < 50:
                return rows
        raise AssertionError

    def _find(self, row: str) -> str:
        return str(next((r.status for r in self._read(forward_entry_id=row)), ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("kubeconfig", "endpoint", "table", "eip"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ready", type=Path, required=True)
    options = parser.parse_args()
    naive = Naive(options.endpoint, options.table, options.eip)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(log_in(options.kubeconfig))

    @kopf.on.startup(registry=registry)
    async def started(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.execution.max_workers = 20
        options.ready.touch()

    def exposed(status: Any, uid: str, patch: kopf.Patch, **_: Any) -> None:
        if not status.get("podIP"):
            raise kopf.TemporaryError("no IP yet", delay=RETRY_S)
        endpoint = naive.expose(uid, status["podIP"])
        patch.metadata.annotations["example.com/endpoint"] = endpoint

    kopf.on.create("pods", annotations={PREFIX: kopf.PRESENT}, registry=registry)(exposed)
    asyncio.run(kopf.operator(registry=registry, standalone=True, clusterwide=True))


if __name__ == "__main__":
    main()
