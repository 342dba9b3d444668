"""A kopf operator that waits for pods that ask for an address, of which there are none."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

import kopf

from hack.bench.objects import PREFIX


def log_in(kubeconfig: str) -> Any:
    """A login handler for the emulated API server, which asks for nothing."""
    import yaml

    found = yaml.safe_load(Path(kubeconfig).read_text())
    server = found["clusters"][0]["cluster"]["server"]

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(server=server)

    return login


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--ready", type=Path, required=True)
    options = parser.parse_args()
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(log_in(options.kubeconfig))

    @kopf.on.startup(registry=registry)
    async def started(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        options.ready.touch()

    @kopf.on.create("pods", annotations={PREFIX: kopf.PRESENT}, registry=registry)
    async def never(**_: Any) -> None:
        raise AssertionError

    asyncio.run(kopf.operator(registry=registry, standalone=True, clusterwide=True))


if __name__ == "__main__":
    main()
