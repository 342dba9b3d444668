"""An emulated cloud with a clock that stands still, and the vendor's SDK speaking to it."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models
from alibabacloud_vpc20160428.client import Client as VpcClient
from Tea.exceptions import TeaException

from dnatctl_sim.cloud import Acts, Cloud, CloudServer, Knobs, Scenario, Settle, rows
from dnatctl_sim.cloud.auth import sign
from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET, GATEWAY_ID, REGION
from dnatctl_sim.cloud.wire import Life, Request
from tests.support.clock import ManualClock

GATEWAY, OTHER_GATEWAY = GATEWAY_ID, "ngw-bp1emulated0002"
TABLE, OTHER_TABLE = "ftb-bp1emulated0001", "ftb-bp1emulated0002"
EIP, SECOND_EIP, OTHER_EIP = "203.0.113.1", "203.0.113.2", "203.0.113.3"
SETTLE = 1.0


@dataclass(frozen=True)
class Refused:
    """What the SDK raised for an error answer."""

    code: str
    status: int
    message: str
    error: Any


class HeldCall:
    """A call that takes until `ended`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.ended = threading.Event()


class HoldingCloud(Cloud):
    """Holds the next call that waits for something, instead of that wait, if `hold` says so."""

    hold: HeldCall | None = None

    def serve(self, request: Request) -> Life:
        """See `Cloud.serve`."""
        life = super().serve(request)
        while True:
            try:
                pause = next(life)
            except StopIteration as stop:
                return stop.value
            hold, self.hold = self.hold, None
            if hold is None:
                yield pause
                continue
            hold.reached.set()
            while not hold.ended.is_set():
                yield 0.001


class Site:
    """Two gateways with two EIPs each. Rows settle when the clock passes `SETTLE`."""

    def __init__(self, scenario: Scenario | None = None) -> None:
        self.clock = ManualClock()
        knobs = Knobs(settle=Settle.all(SETTLE))
        self.cloud = HoldingCloud(scenario or Scenario.many(2, knobs=knobs), self.clock)
        self.acts = Acts(self.cloud)
        self.server = CloudServer(self.cloud)

    def __enter__(self) -> Site:
        self.server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.stop()

    def reset(self) -> None:
        """Make the site as new, for the next test of a module."""
        self.cloud.reset()
        self.clock.ahead = timedelta()

    def config(self, **changes: object) -> Config:
        """What an SDK client is made of."""
        given: dict[str, object] = {
            "access_key_id": ACCESS_KEY,
            "access_key_secret": ACCESS_SECRET,
            "endpoint": self.server.address,
            "protocol": "http",
            "region_id": REGION,
            "read_timeout": 120_000,
        }
        return Config(**(given | changes))

    @cached_property
    def vpc(self) -> VpcClient:
        return VpcClient(self.config())

    @cached_property
    def ecs(self) -> Any:
        from alibabacloud_ecs20140526.client import Client

        return Client(self.config())

    @contextmanager
    def under_way(self, function: Callable[[], Any]) -> Iterator[Background]:
        """Run `function`; its call stays where it first waits until the end of this."""
        self.cloud.hold = hold = HeldCall()
        call = Background(function)
        try:
            assert hold.reached.wait(60), "no call has waited"
            yield call
        finally:
            self.cloud.hold = None
            hold.ended.set()

    def settle(self) -> None:
        """Let everything in flux settle."""
        self.clock.advance(SETTLE)

    def create(
        self, port: int | str = 512, ip: str = "172.16.0.5", inside: int | str = 80, **more: Any
    ) -> str:
        """Create an entry by the SDK; returns its ID."""
        given = {
            "region_id": REGION,
            "forward_table_id": TABLE,
            "external_ip": EIP,
            "external_port": str(port),
            "internal_ip": ip,
            "internal_port": str(inside),
            "ip_protocol": "tcp",
        }
        request = models.CreateForwardEntryRequest(**(given | more))
        return str(self.vpc.create_forward_entry(request).body.forward_entry_id)

    def created(self, *args: Any, **more: Any) -> str:
        """Create an entry and let it settle."""
        entry_id = self.create(*args, **more)
        self.settle()
        return entry_id

    def modify(self, entry_id: str, **more: Any) -> None:
        given = {"region_id": REGION, "forward_table_id": TABLE, "forward_entry_id": entry_id}
        self.vpc.modify_forward_entry(models.ModifyForwardEntryRequest(**(given | more)))

    def delete(self, entry_id: str, **more: Any) -> None:
        given = {"region_id": REGION, "forward_table_id": TABLE, "forward_entry_id": entry_id}
        self.vpc.delete_forward_entry(models.DeleteForwardEntryRequest(**(given | more)))

    def listed(self, **more: Any) -> Any:
        """The body of DescribeForwardTableEntries."""
        given: dict[str, Any] = {"region_id": REGION, "forward_table_id": TABLE}
        request = models.DescribeForwardTableEntriesRequest(**(given | more))
        return self.vpc.describe_forward_table_entries(request).body

    def entries(self, **more: Any) -> list[Any]:
        return list(self.listed(**more).forward_table_entries.forward_table_entry)

    def rows(self, table: str = TABLE) -> list[dict[str, Any]]:
        """The truth about a table."""
        return rows(self.cloud, table)

    def statuses(self, table: str = TABLE) -> list[str]:
        return [str(row["status"]) for row in self.rows(table)]


@contextmanager
def refused(code: str = "", status: int = 0) -> Iterator[list[Refused]]:
    """Expect an error answer, with this code and HTTP status if given."""
    found: list[Refused] = []
    with pytest.raises(TeaException) as caught:
        yield found
    error: Any = caught.value
    got = Refused(error.code, error.statusCode, error.message, error)
    found.append(got)
    assert code in ("", got.code), got
    assert status in (0, got.status), got


def signed_post(
    site: Site,
    query: dict[str, str],
    headers: dict[str, str] | None = None,
    *,
    sent: dict[str, str] | None = None,
    unsigned: str = "",
    **key: str,
) -> urllib3.BaseHTTPResponse:
    """POST a call as the SDK would sign it, but for the header `unsigned`.

    `headers` and `sent` (the query) are put in after signing.
    """
    base = {
        "host": site.server.address,
        "x-acs-version": "2016-04-28",
        "x-acs-action": "DescribeNatGateways",
        "x-acs-date": site.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": secrets.token_hex(8),
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
    }
    base |= {name: value for name, value in key.items() if name.startswith("x-acs")}
    key_id, secret = key.get("key_id", ACCESS_KEY), key.get("secret", ACCESS_SECRET)
    request = Request("POST", "/", "", base)
    signed = sorted(base.keys() - {unsigned})
    signature = sign(secret, request, query, signed)
    base["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(signed)},"
        f"Signature={signature}"
    )
    url = f"{site.server.endpoint}/?{urlencode(sent or query)}"
    kept = {name: value for name, value in (base | (headers or {})).items() if value}
    return urllib3.request("POST", url, headers=kept, retries=False)


class Background:
    """Runs a function in a thread; `result` waits for it and returns or raises what it did."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._outcome: tuple[Any, BaseException | None] = (None, None)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome = (self._function(), None)
        except BaseException as error:  # noqa: BLE001 - handed to who asks for the result
            self._outcome = (None, error)

    def result(self, timeout: float = 120.0) -> Any:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "still running"
        value, error = self._outcome
        if error is not None:
            raise error
        return value
