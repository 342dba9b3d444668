"""The fastest writer there can be: the vendor's SDK in a loop that knows how long to wait."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hack.bench.objects import FIRST_PORT, address

if TYPE_CHECKING:
    from hack.bench.lab import Lab


def oracle_rate(lab: Lab, count: int, busy: float) -> float:
    """Entries a second of that loop, on the first gateway of `lab`."""
    from hack.bench.pace import judge

    gateway = lab.scenario.gateways[0]
    script = lab.run(
        [
            "-m", "hack.bench.yardsticks.oracle", "--endpoint", lab.endpoint.removeprefix("http://"),
            "--table", gateway.table_id, "--eip", gateway.eips[0], "--count", str(count),
            "--busy", str(busy),
        ],
        "oracle",
    )  # fmt: skip
    if script.wait(count * (busy + 1) + 30) != 0:
        raise RuntimeError(script.log.read_text())
    return judge(lab.calls()).rate


def vpc_client(endpoint: str) -> Any:
    """The vendor's client as its documents show it."""
    from alibabacloud_tea_openapi.utils_models import Config
    from alibabacloud_vpc20160428.client import Client

    from dnatctl_sim.cloud.spec import ACCESS_KEY, ACCESS_SECRET, REGION

    return Client(
        Config(
            access_key_id=ACCESS_KEY, access_key_secret=ACCESS_SECRET, region_id=REGION,
            endpoint=endpoint, protocol="http",
        )
    )  # fmt: skip


def create_request(table: str, eip: str, number: int, ip: str = "") -> Any:
    """A row for the port of that number."""
    from alibabacloud_vpc20160428 import models

    from dnatctl_sim.cloud.spec import REGION

    return models.CreateForwardEntryRequest(
        region_id=REGION, client_token=f"oracle-{number}", forward_table_id=table,
        external_ip=eip, external_port=str(FIRST_PORT + number), internal_ip=ip or address(number),
        internal_port="80", ip_protocol="tcp", forward_entry_name=f"oracle-{number}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("endpoint", "table", "eip"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--busy", type=float, required=True)
    options = parser.parse_args()
    client, done = vpc_client(options.endpoint), 0
    while done < options.count:
        with suppress(Exception):  # sent a moment too early: at once again
            client.create_forward_entry(create_request(options.table, options.eip, done))
            done += 1
            time.sleep(options.busy)


if __name__ == "__main__":
    main()
