"""dnatctl as a process of its own, for tests of whole commands."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.support.programs import KUBECTL
from tests.support.stage import PATIENCE_S

T = TypeVar("T")


def eventually(look: Callable[[], T], *, seconds: float = PATIENCE_S, what: str = "") -> T:
    """Look until there is something true to see, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}; last: {found!r}"
        time.sleep(0.05)


class Program:
    """A running dnatctl whose output goes to files."""

    def __init__(
        self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "dnatctl", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
            )

    @property
    def output(self) -> str:
        return self._out.read_text("utf-8")

    @property
    def errors(self) -> str:
        return self._err.read_text("utf-8")

    @property
    def children(self) -> list[int]:
        """The processes that it has started."""
        pid = self.process.pid
        with contextlib.suppress(FileNotFoundError):
            return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def wait_for(self, text: str, seconds: float = PATIENCE_S) -> str:
        """Wait until it has printed `text`; all that it has printed."""

        def printed() -> str:
            out = self.output
            assert text in out or self.process.poll() is None, f"ended: {out}\n{self.errors}"
            return out if text in out else ""

        try:
            return eventually(printed, seconds=seconds, what=f"{text!r} in the output")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._last_words()}") from error

    def _last_words(self) -> str:
        """What it has printed, and where each of its threads was; it does not outlive that."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
        return f"{self.output}\n{self.errors}"

    def end(self, number: int = signal.SIGTERM, seconds: float = PATIENCE_S) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def running(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """A program, and nothing of it left afterwards."""
    program = Program(folder, *arguments, environment=environment)
    try:
        yield program
    finally:
        left = program.children
        if program.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.end()
        for pid in (program.process.pid, *left):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        program.process.wait()


def alive(pid: int) -> bool:
    """Whether there is a process of that number that has not ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
        return stat.rpartition(")")[2].split()[0] != "Z"
    return False


def kubectl(kubeconfig: str, *arguments: str, stdin: str = "") -> str:
    """Run stock kubectl; what it prints. Fails when it fails."""
    home = {"HOME": str(Path(kubeconfig).parent), "KUBECONFIG": kubeconfig}
    done: Any = subprocess.run(
        [KUBECTL, *arguments],
        input=stdin,
        env=os.environ | home,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return str(done.stdout)
