"""The server's own route, `/_sim/`: faults and the request log for those outside the process.

GET shows, POST with a JSON object of arguments does, DELETE undoes. The arguments are those of the
methods of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dnatctl_sim.kube.core.errors import ApiError, bad_request, no_such_path
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.wire.call import Answer, error_answer, json_answer
from dnatctl_sim.kube.wire.faults import Fault, Faults, Match, rule_as_json
from dnatctl_sim.kube.wire.requestlog import RequestLog, as_json
from dnatctl_sim.kube.wire.streams import Streams

Action = Callable[[Object], Any]
"""Does something with the arguments given; what it returns is the answer."""


class Admin:
    """Answers `/_sim/<what>` with the action for that method and path.

    Wrong arguments (TypeError, ValueError) and unknown objects (KeyError) are answered with 400.
    """

    def __init__(self, actions: Mapping[tuple[str, str], Action]) -> None:
        self._actions = actions

    def answer(self, method: str, what: str, body: bytes) -> Answer:
        """Carry one request out."""
        try:
            action = self._actions.get((method, what.strip("/")))
            if action is None:
                raise no_such_path()
            result = action(orjson.loads(body) if body else {})
        except ApiError as error:
            return error_answer(error)
        except (TypeError, ValueError, KeyError) as error:
            return error_answer(bad_request(str(error)))
        return json_answer({} if result is None else result)


def fault_actions(
    faults: Faults, streams: Streams, log: RequestLog
) -> dict[tuple[str, str], Action]:
    """The actions on requests, watches and pages."""

    def clear(_: Object) -> None:
        faults.clear()
        streams.thaw()

    return {
        ("GET", "requests"): lambda _: [as_json(request) for request in log.all()],
        ("DELETE", "requests"): lambda _: log.clear(),
        ("GET", "faults"): lambda _: [rule_as_json(rule) for rule in faults.rules()],
        ("POST", "faults"): lambda args: _add_fault(faults, **args),
        ("DELETE", "faults"): clear,
        ("GET", "watches"): lambda _: {"open": streams.count()},
        ("POST", "watches/close"): lambda args: {"closed": streams.close(**args)},
        ("POST", "watches/freeze"): lambda args: {"frozen": streams.freeze(**args)},
        ("POST", "watches/thaw"): lambda _: streams.thaw(),
        ("POST", "watches/expire"): lambda args: faults.expire_watches(**args),
        ("POST", "watches/swallow"): lambda args: faults.watches.swallow(**args),
        ("POST", "watches/reorder"): lambda args: faults.watches.reorder(**args),
        ("POST", "pages/expire"): lambda args: faults.expire_pages(**args),
    }


def _add_fault(
    faults: Faults, fault: Object, match: Object | None = None, times: int | None = 1
) -> Object:
    return rule_as_json(faults.add(Fault(**fault), Match(**(match or {})), times))
