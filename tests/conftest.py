"""What holds for every test: no way out of the machine, no leftovers of the user's environment."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support import network, threads

# Before anything imports the cloud's SDK, which reads the environment once.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
for _name in list(os.environ):
    if _name.lower().endswith("_proxy") or _name.startswith("DNATCTL_"):
        del os.environ[_name]

network.GUARD.install()

# Shared machines stall: a slow example says nothing about the code.
_LENIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, derandomize=True, **_LENIENT)
settings.register_profile("long", max_examples=2000, **_LENIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Record how many examples hypothesis tried."""
    statistics = getattr(item, "hypothesis_statistics", "")
    if call.when == "call" and statistics:
        passing = sum(map(int, re.findall(r"(\d+) passing", statistics)))
        item.user_properties.append(("examples", passing))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was tried in all: the numbers that tests have recorded."""
    tried: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        tried.update({name: n for name, n in report.user_properties if isinstance(n, int)})
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(tried.items()))
    if told:
        terminalreporter.write_line(f"tried: {told}")


@pytest.fixture(scope="session", autouse=True)
def lean_children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs that tests start find what an installation has.

    The official client of Kubernetes imports kubernetes_validate where there is one, as developers
    have it; that takes two seconds of a start.
    """
    folder = tmp_path_factory.mktemp("lean")
    (folder / "kubernetes_validate.py").write_text("raise ImportError\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(autouse=True)
def network_guard() -> Iterator[network.Guard]:
    """Fail the test if anything in the process tried to reach another machine meanwhile."""
    network.GUARD.take()
    yield network.GUARD
    attempts = network.GUARD.take()
    if attempts:
        pytest.fail(f"tried to leave this machine: {', '.join(attempts)}")


@pytest.fixture(autouse=True)
def own_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test makes of the logs ends with it.

    The program lets loggers keep what they were first used with, which would be for the rest of
    the process: here they look each time.
    """
    before, configure = structlog.get_config(), structlog.configure

    def uncached(*args: Any, **kwargs: Any) -> None:
        configure(*args, **{**kwargs, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", uncached)
    yield
    configure(**before)


@pytest.fixture
def no_leaked_threads() -> Iterator[None]:
    """Fail the test if it leaves threads behind: the program's, or such as hold up exit."""
    before = threads.running()
    yield
    left = threads.wait_until_gone(before, seconds=float(os.environ.get("LEAK_PATIENCE", "60")))
    if left:
        pytest.fail(f"threads left behind: {', '.join(sorted(left))}")
