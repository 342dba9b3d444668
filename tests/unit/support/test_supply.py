"""What is delivered: allowed terms, locked by hashes, the same bytes from the same sources."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from hack.supply import licences, wheel
from hack.supply.licences import Package

ROOT = Path(__file__).parents[3]
EPOCH = 1_700_000_000
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def test_all_that_is_delivered_is_under_terms_that_are_allowed() -> None:
    found = list(licences.packages())
    assert {"kubernetes", "orjson"} <= {package.name for package in found}
    assert {package.name: package.refused for package in found if package.refused} == {}


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("MIT", []),
        ("(Apache-2.0 OR MIT) AND MPL-2.0", []),
        ("MIT AND GPL-3.0-only", ["GPL-3.0-only"]),
        ("Apache-2.0 WITH Unknown-exception", ["Unknown-exception"]),
        ("", ["nothing"]),
        ("Proprietary", ["Proprietary"]),
    ],
)
def test_what_is_not_allowed_is_named(licence: str, refused: list[str]) -> None:
    assert Package("a", "1", licence).refused == refused


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_package_is_locked_by_its_hashes(lock: Path) -> None:
    text = lock.read_text("utf-8")
    pinned = re.findall(r"^[^#\s].*?(?=^[^#\s]|\Z)", text, re.MULTILINE | re.DOTALL)
    assert pinned
    assert [each.splitlines()[0] for each in pinned if "--hash=sha256:" not in each] == []


def test_the_wheel_is_the_same_bytes_whoever_builds_it(tmp_path: Path) -> None:
    first = wheel.build(tmp_path / "first", EPOCH)
    elsewhere = tmp_path / "elsewhere"
    for part in wheel.PARTS:
        target = elsewhere / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(ROOT / part, target)
    for path in elsewhere.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    second = wheel.build(tmp_path / "second", EPOCH, elsewhere)
    assert second.name == first.name
    assert second.read_bytes() == first.read_bytes()
