"""dnatctl with other times than those of production: a script to run in its place.

`tuned.py silence=4 lease=60 run …`: seconds that a watch may be silent (in production two minutes,
as bookmarks come about every minute), that a Lease lasts (15 seconds in production, which a busy
machine may need to start an API server), and after which an orphan is believed to be one (`orphan`,
two minutes in production). After `hang` seconds one thread hangs.
"""

import sys
import threading
from functools import partial

from dnatctl.cli import rotation
from dnatctl.cli.main import main
from dnatctl.kube import informer, lease
from dnatctl.table import orphans


def _hang(_watcher: rotation.ConfigWatcher) -> None:
    threading.Event().wait()


def _tune(name: str, seconds: float) -> None:
    if name == "silence":
        settings = partial(informer.InformerSettings, silence=seconds)
        informer.InformerSettings = settings  # type: ignore[assignment, misc]
    elif name == "lease":
        times = partial(lease.LeaseSettings, duration=seconds, renew_deadline=seconds * 2 / 3)
        lease.LeaseSettings = times  # type: ignore[assignment, misc]
    elif name == "hang":
        rotation.LOOK_S = seconds
        rotation.ConfigWatcher.look = _hang  # type: ignore[method-assign]
    elif name == "orphan":
        object.__setattr__(orphans.USUAL, "age_s", seconds)
    else:
        raise SystemExit(f"no such time: {name}")


if __name__ == "__main__":
    while "=" in sys.argv[1]:
        time, _, text = sys.argv.pop(1).partition("=")
        _tune(time, float(text))
    main()
