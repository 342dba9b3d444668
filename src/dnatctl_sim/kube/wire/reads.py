"""Get and list: paging, old and future revisions, selectors."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence

import orjson

from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import errors, selectors
from dnatctl_sim.kube.core.collection import Key, Version
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.selectors import Selector
from dnatctl_sim.kube.core.store import Placed
from dnatctl_sim.kube.wire.call import Answer, Call
from dnatctl_sim.kube.wire.faults import Faults
from dnatctl_sim.kube.wire.present import form_for
from dnatctl_sim.kube.wire.queries import check_list
from dnatctl_sim.kube.wire.tables import Tables

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can "
    "start a new list without the continue parameter, or use the continue token in this response "
    "to retrieve the remainder of the results. Continuing with the provided token results in an "
    "inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class Reads:
    """Answers get and list."""

    def __init__(self, api: Api, tables: Tables, faults: Faults) -> None:
        self._api = api
        self._tables = tables
        self._faults = faults

    def get(self, call: Call) -> Answer:
        """One object. Raises ApiError 404, 504 for a revision yet to come."""
        wanted = call.version()
        if wanted > self._api.store.revision:
            raise errors.too_large_version(wanted, self._api.store.revision)
        return Answer(200, form_for(call, self._tables).one(self._api.get(call.target)))

    def list(self, call: Call) -> Answer:
        """Objects of one type, in key order. Raises ApiError 410, 504, 400."""
        check_list(call.query, watch=False)
        call.number("timeoutSeconds")  # lists are not cut short, but nonsense is refused
        selector = selector_of(call)
        limit = call.number("limit")
        token = call.query.get("continue", "")
        start, placed = self._resume(call, token) if token else (None, self._first(call))
        if not token and call.query.get("resourceVersion") == "0":
            limit = 0  # answered from the watch cache, which knows no pages
        items = _after(placed.items, start)
        if not selector.everything:
            items = [v for v in items if selector.matches(v.labels, v.selectable())]
        meta: Object = {"resourceVersion": str(placed.revision)}
        if limit and len(items) > limit:
            meta["continue"] = _token(placed.revision, items[limit - 1].key)
            if selector.everything:
                meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        return Answer(200, form_for(call, self._tables).many(items, meta))

    def _first(self, call: Call) -> Placed:
        """The state that a list without a continue token shows."""
        type_, namespace = call.target.type, call.target.namespace
        wanted = call.version()
        if call.query.get("resourceVersion") == "0":
            pinned = self._faults.watches.pinned(type_.collection)
            if pinned is not None:
                return Placed(pinned.revision, _within(pinned.items, namespace))
        if wanted > self._api.store.revision:
            raise errors.too_large_version(wanted, self._api.store.revision)
        exact = call.query.get("resourceVersionMatch") == "Exact"
        return self._api.store.list(type_, namespace, wanted if exact else 0)

    def _resume(self, call: Call, token: str) -> tuple[Key, Placed]:
        """The place in the list that a continue token stands for."""
        try:
            content = orjson.loads(base64.urlsafe_b64decode(token))
            revision, start = int(content["rv"]), (content["ns"], content["name"])
        except (binascii.Error, ValueError, KeyError, TypeError) as error:
            raise errors.bad_request("continue key is not valid") from error
        type_, namespace = call.target.type, call.target.namespace
        if revision > 0 and self._faults.takes_page():
            raise errors.expired(_TOO_OLD, _token(-1, start))
        try:
            return start, self._api.store.list(type_, namespace, max(revision, 0))
        except errors.ApiError as error:
            if error.code != 410:
                raise
            raise errors.expired(_TOO_OLD, _token(-1, start)) from error


def selector_of(call: Call) -> Selector:
    """The selection that the request asks for. Raises ApiError 400."""
    labels, fields = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
    return selectors.parse(labels, fields, call.target.type.field_names)


def _token(revision: int, last: Key) -> str:
    content = {"rv": revision, "ns": last[0], "name": last[1]}
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode()


def _after(items: Sequence[Version], start: Key | None) -> Sequence[Version]:
    if start is None:
        return items
    return items[bisect_right(items, start, key=lambda version: version.key) :]


def _within(items: Sequence[Version], namespace: str) -> Sequence[Version]:
    return [v for v in items if v.namespace == namespace] if namespace else items
