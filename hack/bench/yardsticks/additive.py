"""A pacer as one would write it in half an hour: waits that grow and shrink by a fixed step.

The vendor's SDK in a loop: tried after `wait` seconds, and then every `STEP`; each entry that took
more than three tries makes the first wait a little longer, each that took fewer a little shorter.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from hack.bench.yardsticks.oracle import create_request, vpc_client

if TYPE_CHECKING:
    from hack.bench.lab import Lab
    from hack.bench.pace import Pace

STEP = 0.4
TRIES = 3


def additive_pace(lab: Lab, count: int, longest: float) -> Pace:
    """What that pacer reaches on the first gateway of `lab`; `longest`: of its busy times."""
    from hack.bench.pace import judge

    gateway = lab.scenario.gateways[0]
    argv = ["--endpoint", lab.endpoint.removeprefix("http://"), "--table", gateway.table_id]
    argv += ["--eip", gateway.eips[0], "--count", str(count)]
    script = lab.run(["-m", "hack.bench.yardsticks.additive", *argv], "additive")
    if script.wait(count * (longest + 1) + 30) != 0:
        raise RuntimeError(script.log.read_text())
    return judge(lab.calls())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("endpoint", "table", "eip"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    client, wait = vpc_client(options.endpoint), 0.0
    for number in range(options.count):
        tries = 1
        while not _created(client, create_request(options.table, options.eip, number)):
            tries += 1
            time.sleep(STEP)
        wait = max(wait + (STEP if tries > TRIES else -STEP) / 4, 0.0)
        time.sleep(wait)


def _created(client: object, request: object) -> bool:
    try:
        client.create_forward_entry(request)  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - busy, whatever it is called: tried again
        return False
    return True


if __name__ == "__main__":
    main()
