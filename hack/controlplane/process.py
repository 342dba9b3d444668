"""Background programs that outlive the command which started them, found by their pid files."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class ProcessError(Exception):
    """A program ended or did not become ready; the message ends with the last of its log."""


@dataclass(frozen=True)
class Process:
    """One background program of a state folder: `<name>.pid` and `<name>.log` in it."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """What the program writes to its standard output and error."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process ID, None where the program is not running.

        A pid file may outlive its process and the number be given to another one, so the file
        holds the start time too.
        """
        try:
            pid, started = json.loads(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if _start_time(pid) == started else None

    def start(self, command: Sequence[str]) -> None:
        """Start the program in a session of its own, appending to its log."""
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid_file.write_text(json.dumps([child.pid, _start_time(child.pid)]))
        # It is watched by its pid file from here on; no warning about a forgotten child.
        child.returncode = 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the program is running."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self) -> None:
        """Stop the program where it is, and return when it is: until then it may answer yet.

        Raises:
            ProcessError: it is not running, or goes on.
        """
        self.check_alive()
        self.signal(signal.SIGSTOP)
        for _ in polls(30):
            if self._states() == {"T"}:
                return
        raise ProcessError(f"{self.name} goes on, in states {self._states()}\n{self.log_tail()}")

    def stop(self, *, kill: bool = False, grace: float = 5.0) -> None:
        """End the program, by SIGTERM and after `grace` seconds, or at once, by SIGKILL."""
        if not kill:
            self.signal(signal.SIGTERM)
            self._wait_for_end(grace)
        self.signal(signal.SIGKILL)
        self._wait_for_end(grace)
        self._pid_file.unlink(missing_ok=True)

    def check_alive(self) -> None:
        """Raise unless the program is running.

        Raises:
            ProcessError: it has ended, or was never started.
        """
        if self.pid is None:
            raise ProcessError(f"{self.name} is not running\n{self.log_tail()}")

    def log_tail(self, size: int = 3000) -> str:
        """The last `size` bytes of the log."""
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    def _states(self) -> set[str]:
        """Those of its threads, as /proc has them: T for one that is stopped."""
        found = set()
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                found.add(stat.read_text().rpartition(")")[2].split()[0])
        return found

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def _wait_for_end(self, limit: float) -> None:
        for _ in polls(limit):
            if self.pid is None:
                return


def polls(limit: float, interval: float = 0.05) -> Iterator[None]:
    """Yield now and every `interval` seconds until `limit` seconds are over."""
    deadline = time.monotonic() + limit
    yield
    while time.monotonic() < deadline:
        time.sleep(interval)
        yield


def _start_time(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, None for one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in parentheses and may hold anything; the state comes next.
    fields = stat.rpartition(")")[2].split()
    state, threads, started = fields[0], int(fields[17]), fields[19]
    # A zombie may have threads that still hold its sockets; without any it only waits for its
    # parent, which may be this process.
    if state == "Z" and threads <= 1:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return None
    return started
