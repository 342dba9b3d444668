"""The emulated API server as a process: `python -m dnatctl_sim.kube --kubeconfig FILE`.

Prints one line of JSON when it answers, and ends with SIGINT, SIGTERM or, where `--parent-pipe`
is given, with the end of standard input.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click
import orjson

from dnatctl_sim.kube.actors.addresses import Recycling
from dnatctl_sim.kube.actors.kubelet import KubeletSettings
from dnatctl_sim.kube.server import KubeServer, Settings


@click.command(context_settings={"show_default": True})
@click.option("--port", default=0, help="TCP port; 0 takes a free one.")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="File to write for kubectl.")
@click.option("--nodes", default=2, help="How many nodes there are.")
@click.option("--pod-cidr", default="10.0.0.0/16", help="Where pod IPs come from.")
@click.option("--recycling", default="lifo", type=click.Choice(["lifo", "fifo"]))
@click.option("--start-seconds", default=0.5, help="From a pod's placement to Running.")
@click.option(
    "--termination-seconds", default=1.0, help="From its deletion to its containers' end."
)
@click.option("--removal-seconds", default=0.5, help="From there to its removal.")
@click.option("--parent-pipe", is_flag=True, help="End when standard input ends.")
def main(
    *,
    port: int,
    kubeconfig: str | None,
    nodes: int,
    pod_cidr: str,
    recycling: str,
    start_seconds: float,
    termination_seconds: float,
    removal_seconds: float,
    parent_pipe: bool,
) -> None:
    """Run an emulated Kubernetes API server on loopback until interrupted."""
    kubelet = KubeletSettings(
        start=start_seconds,
        termination=termination_seconds,
        removal=removal_seconds,
        pod_cidr=pod_cidr,
        recycling=Recycling(recycling),
    )
    server = KubeServer(port=port, settings=Settings(nodes=nodes, kubelet=kubelet))
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with server:
        ready = {"url": server.url}
        if kubeconfig:
            ready["kubeconfig"] = str(Path(server.write_kubeconfig(kubeconfig)).resolve())
        click.echo(orjson.dumps(ready).decode())
        if parent_pipe:
            threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
        ended.wait()


def _await_end_of_input(ended: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        continue
    ended.set()


if __name__ == "__main__":
    main()
