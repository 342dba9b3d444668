"""A start with nothing to decide: the same lists and tables, read whole with the same libraries,
and thrown away. Touches a file when it has read all.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dnatctl_sim.cloud.spec import REGION
from hack.bench.yardsticks.floor import Cluster
from hack.bench.yardsticks.oracle import vpc_client

LISTS = ("/api/v1/pods", "/apis/alibabacloud.com/v1/poddnats")
LIMIT, PAGE = 500, 50
"""Objects and rows of a page, as dnatctl asks for them."""


def read_list(cluster: Cluster, path: str) -> int:
    """Read all objects of a list, page after page; returns how many there are."""
    found, follows = 0, ""
    while True:
        page = cluster.request("GET", f"{path}?limit={LIMIT}&continue={quote(follows)}")
        found += len(page["items"])
        if not (follows := page["metadata"].get("continue", "")):
            return found


def read_table(cloud: Any, table: str) -> int:
    """Read all rows of a table; returns how many there are."""
    from alibabacloud_vpc20160428 import models

    found, number = 0, 0
    while True:
        number += 1
        request = models.DescribeForwardTableEntriesRequest(
            region_id=REGION, forward_table_id=table, page_number=number, page_size=PAGE
        )
        body = cloud.describe_forward_table_entries(request).body
        found += len(body.forward_table_entries.forward_table_entry)
        if number * PAGE >= body.total_count:
            return found


def main() -> None:
    """Read lists, then tables, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--kubeconfig", "--endpoint", "--ready"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--tables", nargs="+", required=True)
    flags = parser.parse_args()
    cluster, cloud = Cluster.connect(flags.kubeconfig), vpc_client(flags.endpoint)
    for path in LISTS:
        read_list(cluster, path)
    for table in flags.tables:
        read_table(cloud, table)
    Path(flags.ready).touch()


if __name__ == "__main__":
    main()
