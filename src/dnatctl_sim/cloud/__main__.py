"""Run one emulated cloud by itself: `python -m dnatctl_sim.cloud --port 0`."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click
import msgspec
import yaml

from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.scenario import Scenario
from dnatctl_sim.cloud.server import CloudServer


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--scenario",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML or JSON file of what the account owns; default: one gateway with two EIPs.",
)
@click.option("--gateways", type=click.IntRange(1), help="So many gateways instead of a scenario.")
@click.option("--eips", type=click.IntRange(1), default=2, show_default=True, help="EIPs of each.")
def main(host: str, port: int, path: Path | None, gateways: int | None, eips: int) -> None:
    """Serve an emulated Alibaba Cloud until SIGINT or SIGTERM.

    Prints one line of JSON with its endpoint when it is ready.
    """
    cloud = Cloud(_scenario(path, gateways, eips))
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    with CloudServer(cloud, host, port) as server:
        ready = {"endpoint": server.endpoint, "admin": f"{server.endpoint}/_sim/"}
        print(json.dumps(ready), flush=True)
        signal.sigwait(stop)


def _scenario(path: Path | None, gateways: int | None, eips: int) -> Scenario:
    if path is None:
        return Scenario.many(gateways or 1, eips=eips)
    if gateways is not None:
        raise click.UsageError("--scenario and --gateways exclude each other")
    try:
        return Scenario.load(path)
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise click.UsageError(f"{path}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
