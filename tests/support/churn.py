"""Users at work: pods that come, go, change their ports and their IPs, in random order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from dnatctl_sim.kube.core.errors import ApiError
from tests.support.stage import Stage

PORTS = ("80", "80,443", "7000-7002/udp", "80/tcp,53/udp", "8080")


class Churn:
    """Does one random thing after the other to so many names, until it is stopped."""

    def __init__(self, it: Stage, names: int, seed: int, *, a_second: float) -> None:
        self._it = it
        self._names = [f"web-{n}" for n in range(names)]
        self._random = random.Random(seed)
        self._pause = 1.0 / a_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="churn", daemon=True)
        self.done = 0

    def start(self) -> None:
        """Create every pod, then begin to change them."""
        for name in self._names:
            self._it.pod(name, self._random.choice(PORTS))
        self._thread.start()

    def stop(self) -> None:
        """No more changes."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause * self._random.expovariate(1.0)):
            name = self._random.choice(self._names)
            try:
                self._choose()(name)
            except (ApiError, KeyError):
                continue  # there is no such pod just now, or there is one already
            self.done += 1

    def _choose(self) -> Callable[[str], object]:
        acts = (self._create, self._delete, self._force, self._restart, self._change, self._switch)
        return self._random.choices(acts, (4, 2, 2, 1, 1, 1))[0]

    def _create(self, name: str) -> None:
        self._it.pod(name, self._random.choice(PORTS))

    def _delete(self, name: str) -> None:
        self._it.delete_pod(name)

    def _force(self, name: str) -> None:
        self._it.delete_pod(name, grace=0)

    def _restart(self, name: str) -> None:
        self._it.kube.kubelet.restart(self._it.ns, name)

    def _change(self, name: str) -> None:
        self._it.annotate(name, **{"expose-port": self._random.choice(PORTS)})

    def _switch(self, name: str) -> None:
        self._it.annotate(name, switch=self._random.choice(("true", "false")))
