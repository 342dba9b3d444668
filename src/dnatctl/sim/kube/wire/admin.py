"""The server's own route, `/_sim/`: faults and the request log for those outside the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from dnatctl.sim.kube.core.errors import ApiError, bad_request, no_such_path
from dnatctl.sim.kube.core.objects import Object
from dnatctl.sim.kube.core.store import Store
from dnatctl.sim.kube.wire.call import Answer, error_answer, json_answer
from dnatctl.sim.kube.wire.faults import Fault, Faults, Match, rule_as_json
from dnatctl.sim.kube.wire.requestlog import RequestLog, as_json
from dnatctl.sim.kube.wire.streams import Streams


class Admin:
    """Answers `/_sim/<what>`: GET shows, POST with a JSON object does, DELETE undoes."""

    def __init__(self, store: Store, faults: Faults, streams: Streams, log: RequestLog) -> None:
        self._store = store
        self._faults = faults
        self._streams = streams
        self._log = log
        self._actions: dict[tuple[str, str], Callable[[Object], Any]] = {
            ("GET", "requests"): lambda _: [as_json(request) for request in log.all()],
            ("DELETE", "requests"): lambda _: log.clear(),
            ("GET", "faults"): lambda _: [rule_as_json(rule) for rule in faults.rules()],
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear,
            ("GET", "watches"): lambda _: {"open": streams.count()},
            ("POST", "watches/close"): lambda args: {"closed": streams.close(**args)},
            ("POST", "watches/freeze"): lambda args: {"frozen": streams.freeze(**args)},
            ("POST", "watches/thaw"): lambda _: streams.thaw(),
            ("POST", "watches/expire"): lambda args: faults.expire_watches(**args),
            ("POST", "watches/swallow"): lambda args: faults.watches.swallow(**args),
            ("POST", "watches/reorder"): lambda args: faults.watches.reorder(**args),
            ("POST", "pages/expire"): lambda args: faults.expire_pages(**args),
            ("POST", "compact"): lambda _: store.compact(),
        }

    def answer(self, method: str, what: str, body: bytes) -> Answer:
        """Carry one request out."""
        try:
            action = self._actions.get((method, what.strip("/")))
            if action is None:
                raise no_such_path()
            result = action(orjson.loads(body) if body else {})
        except ApiError as error:
            return error_answer(error)
        except (TypeError, ValueError) as error:
            return error_answer(bad_request(str(error)))
        return json_answer({} if result is None else result)

    def _add_fault(self, args: Object) -> Object:
        match = Match(**args.get("match", {}))
        rule = self._faults.add(Fault(**args.get("fault", {})), match, args.get("times", 1))
        return rule_as_json(rule)

    def _clear(self, args: Object) -> None:
        del args
        self._faults.clear()
        self._streams.thaw()
