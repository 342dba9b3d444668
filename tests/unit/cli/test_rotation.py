"""The configuration file is followed, whoever signs: a bad one is told while all is still well."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dnatctl.cli.rotation import ConfigWatcher, WatchedFile
from dnatctl.cloud.credentials import Keys
from dnatctl.cloud.fetch import read_addon_token
from dnatctl.cloud.providers import FileProvider, Provider, StaticProvider
from dnatctl.config import Config
from dnatctl.heartbeat import Heartbeats
from dnatctl.observe.metrics import Metrics
from tests.support.clock import FakeClock
from tests.unit.config.samples import MINIMAL

GOOD = "dnatctl_config_last_reload_successful"
GOOD_AT = "dnatctl_config_last_reload_success_timestamp_seconds"
WITH_KEYS = MINIMAL + "credential: {accessKey: LTAI-new, accessSecret: new}\n"
OLD = Keys("LTAI-old", "old")


class Followed:
    """A configuration file, its watcher, and what that tells."""

    def __init__(self, path: Path, provider: Provider) -> None:
        self.path = path
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.metrics.config_read(good=True, at=0)
        self.write(MINIMAL)
        self.watcher = ConfigWatcher(
            WatchedFile(path),
            provider,
            threading.Event(),
            Heartbeats(self.clock),
            tell=self.metrics.config_read,
            clock=self.clock,
        )

    def write(self, text: str) -> None:
        """Swap the file, as a mounted ConfigMap is swapped."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, self.path)

    def look(self) -> Any:
        """Whether the file counts as good after a look, and since when."""
        self.watcher.look()
        read = self.metrics.registry.get_sample_value
        return read(GOOD), read(GOOD_AT)


@pytest.fixture(params=["its own keys", "a role"])
def followed(request: Any, tmp_path: Path) -> Followed:
    lent = FileProvider(("token",), read_addon_token, FakeClock())
    provider = StaticProvider(OLD) if request.param == "its own keys" else lent
    return Followed(tmp_path / "config.yaml", provider)


def test_a_bad_file_is_told_and_so_is_its_mend(followed: Followed) -> None:
    followed.write(MINIMAL.replace("512", "five"))
    assert followed.look() == (0, 0)
    followed.write(MINIMAL)
    followed.clock.advance(60)
    assert followed.look() == (1, followed.clock.now().timestamp())


def test_so_is_one_that_is_gone(followed: Followed) -> None:
    followed.path.unlink()
    assert followed.look() == (0, 0)


def test_one_that_has_not_changed_is_not_read(followed: Followed) -> None:
    assert followed.look() == (1, 0)


def test_keys_are_taken_from_a_good_file_only(tmp_path: Path) -> None:
    provider = StaticProvider(OLD)
    followed = Followed(tmp_path / "config.yaml", provider)
    followed.write(WITH_KEYS.replace("512", "five"))
    followed.look()
    assert provider.keys() == OLD
    followed.write(WITH_KEYS)
    followed.look()
    assert provider.keys() == Keys("LTAI-new", "new")


class Taking:
    """What a follower is given; it takes no change of the cluster's ID."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.refused: list[str] = []

    def take(self, config: Config) -> bool:
        if config.cluster_id != "c1":
            return False
        self.taken.append(config.max_ports_per_pod)
        return True

    def refuse(self, problems: Iterable[str]) -> None:
        self.refused += problems


def with_ports(number: int) -> str:
    return MINIMAL + f"maxPortsPerPod: {number}\n"


def test_a_changed_file_is_handed_on(followed: Followed) -> None:
    follower = Taking()
    followed.watcher.follow(follower)
    followed.write(with_ports(7))
    followed.look()
    assert follower.taken == [7]


def test_one_that_changed_before_anybody_followed_waits(followed: Followed) -> None:
    followed.write(with_ports(7))
    followed.look()
    follower = Taking()
    followed.watcher.follow(follower)
    assert follower.taken == [7]


def test_a_bad_one_is_handed_on_as_what_is_wrong_with_it(followed: Followed) -> None:
    follower = Taking()
    followed.watcher.follow(follower)
    followed.write(MINIMAL.replace("512", "five"))
    followed.look()
    assert follower.taken == []
    assert "portRangeStart" in follower.refused[0]


def test_of_one_that_is_not_taken_no_keys_are_taken_and_it_counts_as_refused(
    tmp_path: Path,
) -> None:
    provider = StaticProvider(OLD)
    followed = Followed(tmp_path / "config.yaml", provider)
    followed.watcher.follow(Taking())
    followed.write(WITH_KEYS.replace("clusterID: c1", "clusterID: c2"))
    assert followed.look() == (0, 0)
    assert provider.keys() == OLD


def test_a_mounted_config_map_is_followed_when_its_link_is_swapped(tmp_path: Path) -> None:
    """As the kubelet does it: config.yaml -> ..data/config.yaml, ..data -> ..<time>, renamed."""

    def mount(name: str, text: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "..data_tmp").symlink_to(name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    mount("..first", MINIMAL)
    path = tmp_path / "config.yaml"
    path.symlink_to("..data/config.yaml")
    hearts, follower = Heartbeats(FakeClock()), Taking()
    watcher = ConfigWatcher(
        WatchedFile(path), StaticProvider(OLD), threading.Event(), hearts, tell=lambda **_: None
    )
    watcher.follow(follower)

    mount("..second", with_ports(7))
    watcher.look()

    assert follower.taken == [7]


def test_a_file_that_changes_between_its_first_reading_and_the_watch_is_taken_in(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    file = WatchedFile(path)
    (tmp_path / "new").write_text(with_ports(7), encoding="utf-8")
    (tmp_path / "new").replace(path)
    hearts, follower = Heartbeats(FakeClock()), Taking()
    watcher = ConfigWatcher(
        file, StaticProvider(OLD), threading.Event(), hearts, tell=lambda **_: None
    )
    watcher.follow(follower)
    watcher.look()
    watcher.look()
    assert follower.taken == [7]
