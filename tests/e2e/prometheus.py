"""A real Prometheus that scrapes what a test runs, and promtool."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import urllib3

from hack.controlplane.assets import Assets
from hack.controlplane.ports import LOOPBACK, free_port
from hack.controlplane.process import Process, ProcessError
from tests.e2e.eventually import eventually

_SCRAPE_INTERVAL = "250ms"


class Prometheus:
    """One Prometheus on loopback with a folder of its own. Use as a context manager."""

    def __init__(
        self,
        folder: Path,
        jobs: Sequence[Mapping[str, Any]],
        *,
        rule_files: Sequence[Path] = (),
    ) -> None:
        """Scrape `jobs`, written as in Prometheus' `scrape_configs`; see `job` for a plain one."""
        self._folder = folder
        self._process = Process(folder, "prometheus")
        self._port = free_port()
        self._pool = urllib3.PoolManager(retries=False, timeout=10)
        self._config = {
            "global": {"scrape_interval": _SCRAPE_INTERVAL, "evaluation_interval": "250ms"},
            "scrape_configs": list(jobs),
            "rule_files": [str(path) for path in rule_files],
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and return when queries are answered.

        Raises:
            MissingProgramError: there is no `prometheus`.
            ProcessError: it ended; the message says why.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "prometheus.yml"
        config.write_text(json.dumps(self._config))  # JSON is YAML
        flags = {
            "config.file": config,
            "storage.tsdb.path": self._folder / "data",
            "web.listen-address": f"{LOOPBACK}:{self._port}",
        }
        program = Assets.from_environment().path("prometheus")
        self._process.start([str(program), *(f"--{key}={value}" for key, value in flags.items())])
        try:
            eventually(self._is_ready, within=60, every=0.1)
        except AssertionError:
            self._process.stop(kill=True)
            raise ProcessError(f"prometheus not ready\n{self._process.log_tail()}") from None

    def stop(self) -> None:
        """Stop it; its data stays in the folder."""
        self._process.stop(kill=True)
        self._pool.clear()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Evaluate PromQL now: labels and value of each sample of the vector.

        Raises:
            ValueError: Prometheus refused the expression.
        """
        answer = self._get("/api/v1/query", query=expression)
        if answer["status"] != "success":
            raise ValueError(f"{expression}: {answer['error']}")
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def wait_for(self, expression: str, *, within: float = 120.0) -> float:
        """Wait until a PromQL expression has a sample and return the first one's value.

        Put the condition into it: `my_total > 3`.
        """
        samples = eventually(lambda: self.query(expression), within=within, every=0.1)
        return samples[0][1]

    def targets(self) -> list[dict[str, Any]]:
        """The active targets: `health`, `lastError`, `labels`."""
        targets: list[dict[str, Any]] = self._get("/api/v1/targets")["data"]["activeTargets"]
        return targets

    def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing alerts of the rule files."""
        alerts: list[dict[str, Any]] = self._get("/api/v1/alerts")["data"]["alerts"]
        return alerts

    def _get(self, path: str, **query: str) -> Any:
        url = f"http://{LOOPBACK}:{self._port}{path}"
        return self._pool.request("GET", url, fields=query).json()

    def _is_ready(self) -> bool:
        if self._process.pid is None:
            raise ProcessError(f"prometheus has ended\n{self._process.log_tail()}")
        try:
            url = f"http://{LOOPBACK}:{self._port}/-/ready"
            return self._pool.request("GET", url).status == 200
        except urllib3.exceptions.HTTPError:
            return False


def job(name: str, *addresses: str) -> dict[str, Any]:
    """A scrape configuration for plain HTTP targets, `127.0.0.1:8080` say."""
    return {
        "job_name": name,
        "static_configs": [{"targets": list(addresses)}],
    }


def promtool(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run promtool and return all it says; `("check", "metrics")` reads an exposition.

    Raises:
        AssertionError: it found problems; the message is what it said.
    """
    finished = subprocess.run(
        [Assets.from_environment().path("promtool"), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    said = finished.stdout + finished.stderr
    if finished.returncode != 0:
        raise AssertionError(f"promtool {' '.join(map(str, arguments))}:\n{said}")
    return said
