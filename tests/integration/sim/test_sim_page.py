"""What docs/sim.md tells people to write and to type: the emulator takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import urllib3

from dnatctl_sim.cloud import Scenario
from dnatctl_sim.cloud.faults import Fault
from dnatctl_sim.cloud.outsiders import Acts
from tests.integration.sim.cloud_support import Site
from tests.unit.manifests.commands import ROOT, blocks, commands, spans

PAGE = ROOT / "docs" / "sim.md"


class Asked(NamedTuple):
    """A call of curl."""

    method: str
    path: str
    body: str


def asked(words: list[str]) -> Asked:
    (url,) = (word for word in words if word.startswith("$CLOUD/"))
    body = words[words.index("-d") + 1] if "-d" in words else ""
    usual = "POST" if body else "GET"
    method = words[words.index("-X") + 1] if "-X" in words else usual
    return Asked(method, url.removeprefix("$CLOUD"), body)


TYPED = [asked(words) for words in commands(PAGE, "curl")]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    file = tmp_path / "cloud.yaml"
    (text,) = blocks(PAGE, "yaml")
    file.write_text(text, "utf-8")
    with Site(Scenario.load(file)) as site:
        yield site


def test_the_scenario_is_an_account(site: Site) -> None:
    assert site.cloud.world.gateways.keys() == {"ngw-one", "ngw-two"}
    assert site.cloud.world.eips["203.0.113.2"].serves_snat
    assert [row["works"] for row in site.rows("ftb-one")] == [True]
    assert site.cloud.knobs.quota == 20
    assert len(site.cloud.faults.listed()) == 1


def test_what_is_typed_one_after_the_other_is_answered(site: Site) -> None:
    assert len(TYPED) > 20
    for method, path, body in TYPED:
        entry = str(site.rows("ftb-one")[0]["entry_id"]) if "$ID" in body else ""
        done = urllib3.request(
            method,
            f"{site.server.endpoint}{path}",
            body=body.replace("$ID", entry).encode() or None,
            retries=False,
        )
        assert done.status == 200, (path, body, done.data)


def test_all_acts_and_keys_of_faults_are_told() -> None:
    told = {word for span in spans(PAGE) for word in re.findall(r"\w+", span)}
    assert {name for name in vars(Acts) if not name.startswith("_")} - told == set()
    assert set(Fault.__struct_fields__) - {"name"} - told == set()
