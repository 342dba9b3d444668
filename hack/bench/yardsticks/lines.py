"""The least that an event of a pod can cost: the lines of a watch are read as dnatctl reads them,
of each only what tells whose pod it is, and nothing is done with that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from msgspec import Struct

from hack.bench.yardsticks.floor import Cluster


class Metadata(Struct, rename="camel"):
    """What has to be known of any pod: its name, its version, and whether it asks for anything."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    annotations: dict[str, str] | None = None


class Pod(Struct):
    metadata: Metadata


class Event(Struct):
    type: str
    object: Pod


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--ready", type=Path, required=True)
    options = parser.parse_args()
    cluster = Cluster.connect(options.kubeconfig)
    decoder = msgspec.json.Decoder(Event)
    options.ready.touch()
    for line in cluster.lines("/api/v1/pods"):
        decoder.decode(line)


if __name__ == "__main__":
    main()
