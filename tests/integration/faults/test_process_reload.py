"""A process at work follows its file, as a mounted ConfigMap is swapped under it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import Program
from tests.support.stage import NAMESPACE, Stage, eventually, stage

OFTEN = "import dnatctl.cli.rotation; dnatctl.cli.rotation.LOOK_S = 0.1"


class Mounted:
    """A process whose file is mounted: config.yaml -> ..data/config.yaml, ..data -> ..<time>."""

    def __init__(self, it: Stage) -> None:
        self._folder = it.folder
        self._times = 0
        self.program = Program(it, before=OFTEN)
        self.program.start()

    def swap(self, old: str, new: str) -> None:
        """Change the file the way the kubelet does: all of the new is there before it counts."""
        path = self._folder / "config.yaml"
        text = path.read_text("utf-8")
        assert old in text
        self._times += 1
        fresh = self._folder / f"..{self._times}"
        fresh.mkdir()
        (fresh / "config.yaml").write_text(text.replace(old, new), "utf-8")
        _link(self._folder / "..data", fresh.name)
        _link(path, "..data/config.yaml")

    def taken_in(self, times: int) -> None:
        """Wait until so many changed files have been taken in."""
        told = "configuration changed"
        eventually(lambda: self.program.log.read_text("utf-8").count(told) >= times)


def _link(path: Path, target: str) -> None:
    made = path.with_name("..made")
    made.symlink_to(target)
    made.replace(path)


@pytest.fixture
def it() -> Iterator[Stage]:
    with stage() as running:
        yield running


def port_of(it: Stage, name: str) -> int:
    it.pod(name)
    return int(it.ready(name)[0]["externalPort"])


def test_good_files_are_taken_in_and_bad_ones_told(it: Stage) -> None:
    mounted = Mounted(it)
    try:
        assert port_of(it, "a") == 512

        mounted.swap("portRangeStart: 512", "portRangeStart: 900")
        mounted.taken_in(1)
        assert port_of(it, "b") == 900
        assert int(it.entries("a")[0]["externalPort"]) == 512

        mounted.swap("portRangeStart: 900", "portRangeStart: nine")
        eventually(lambda: "nine" in it.events("dnatctl", NAMESPACE).get("ConfigRefused", ""))
        assert port_of(it, "c") in (900, 901)

        mounted.swap("portRangeStart: nine", "portRangeStart: 950")
        mounted.taken_in(2)
        assert port_of(it, "d") == 950
        mounted.program.end()
    finally:
        mounted.program.kill()
