"""The admin API: what tests and tools in other processes ask and tell the emulator.

JSON over HTTP on the cloud's own port, under `/_sim/`:

| method and path | meaning |
|---|---|
| GET truth | gateways, EIPs, rows, as they are |
| GET calls?since=N | the call log after call number N |
| GET counters | counts since the start or the last reset |
| GET, POST knobs | the settings; a POST changes those given |
| GET, POST, DELETE faults | the faults in force; add one; end all |
| POST act/NAME | an act of `Acts`, its arguments by name |
| POST reset | back to the start of the scenario |
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec
import orjson

from dnatctl_sim.cloud.cloud import Cloud
from dnatctl_sim.cloud.errors import ApiError
from dnatctl_sim.cloud.faults import Fault
from dnatctl_sim.cloud.outsiders import Acts
from dnatctl_sim.cloud.truth import truth
from dnatctl_sim.cloud.wire import Life, Reply, Request

Route = Callable[[Request], object]


class Admin:
    """Answers the admin API for one cloud."""

    PREFIX = "/_sim/"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._acts = Acts(cloud)
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "truth"): lambda _: truth(cloud),
            ("GET", "calls"): self._calls,
            ("GET", "counters"): lambda _: cloud.counters(),
            ("GET", "knobs"): lambda _: cloud.knobs,
            ("POST", "knobs"): lambda request: cloud.set_knobs(**_arguments(request)),
            ("GET", "faults"): lambda _: cloud.faults.listed(),
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: cloud.clear_faults(),
            ("POST", "reset"): lambda _: cloud.reset(),
        }

    def serve(self, request: Request) -> Life:
        """See `Cloud.serve`."""
        yield from ()  # admin calls never wait
        try:
            result = self._answer(request)
        except ApiError as error:
            return _json(409, {"error": error.code, "message": error.message})
        except (ValueError, TypeError) as error:
            return _json(400, {"error": "bad request", "message": str(error)})
        except LookupError as error:
            return _json(404, {"error": "not found", "message": str(error)})
        return _json(200, result)

    def _answer(self, request: Request) -> object:
        path = request.path.removeprefix(self.PREFIX)
        if request.method == "POST" and path.startswith("act/"):
            return self._act(path.removeprefix("act/"), request)
        route = self._routes.get((request.method, path))
        if route is None:
            raise LookupError(f"{request.method} {request.path}")
        return route(request)

    def _calls(self, request: Request) -> object:
        since = parse_qs(request.query).get("since", ["0"])[0]
        return self._cloud.calls(int(since))

    def _add_fault(self, request: Request) -> None:
        self._cloud.add_fault(msgspec.convert(_arguments(request), Fault))

    def _act(self, name: str, request: Request) -> object:
        act = None if name.startswith("_") else getattr(self._acts, name, None)
        if act is None:
            raise LookupError(f"no such act: {name}")
        return act(**_arguments(request))


def _arguments(request: Request) -> dict[str, object]:
    found = orjson.loads(request.body or b"{}")
    if not isinstance(found, dict):
        raise TypeError("the body must be a JSON object")
    return found


def _json(status: int, body: object) -> Reply:
    # JSON has no infinity; msgspec writes it as null.
    return Reply(status, msgspec.json.encode(body), "application/json")
