"""Create, update, patch and delete, on objects and on their subresources."""

from __future__ import annotations

from collections.abc import Callable

from dnatctl_sim.kube.api.options import Target, WriteOptions
from dnatctl_sim.kube.api.subresources import Subresources
from dnatctl_sim.kube.api.verbs import Api
from dnatctl_sim.kube.core import builtin, errors
from dnatctl_sim.kube.core.collection import Version
from dnatctl_sim.kube.core.objects import Object
from dnatctl_sim.kube.core.store import Placed
from dnatctl_sim.kube.wire.call import Answer, Call, json_answer
from dnatctl_sim.kube.wire.present import form_for
from dnatctl_sim.kube.wire.reads import selector_of
from dnatctl_sim.kube.wire.tables import Tables


class Writes:
    """Answers every verb that changes something."""

    def __init__(self, api: Api, tables: Tables) -> None:
        self._api = api
        self._tables = tables
        self._subresources = Subresources(api)
        self._verbs: dict[str, Callable[[Call], Answer]] = {
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    def carry_out(self, call: Call) -> Answer:
        """Do what the call asks for. Raises ApiError."""
        if call.verb in ("update", "patch") and not call.target.name:
            raise errors.method_not_allowed()
        if call.target.subresource not in ("", "status"):
            return self._subresource(call)
        if call.target.subresource == "status" and not call.target.type.status:
            raise errors.no_such_resource()
        if call.target.subresource == "status" and call.verb not in ("update", "patch"):
            raise errors.method_not_allowed()
        return self._verbs[call.verb](call)

    def _create(self, call: Call) -> Answer:
        if call.target.name:
            raise errors.method_not_allowed()
        options = call.write_options()
        version = self._api.create(call.target, call.document(), options)
        return self._answer(call, version, options, 201)

    def _update(self, call: Call) -> Answer:
        options = call.write_options()
        code = 200 if self._exists(call.target) else 201
        version = self._api.update(call.target, call.document(), options)
        return self._answer(call, version, options, code)

    def _patch(self, call: Call) -> Answer:
        options = call.write_options()
        version = self._api.patch(call.target, call.document(), call.media_type, options)
        return self._answer(call, version, options)

    def _exists(self, target: Target) -> bool:
        return self._api.store.get(target.type, target.namespace, target.name) is not None

    def _delete(self, call: Call) -> Answer:
        version, gone = self._api.deletion.delete(call.target, call.delete_options())
        if gone and not call.target.type.returns_deleted:
            return json_answer(_success(call.target, version))
        return Answer(200, form_for(call, self._tables).one(version))

    def _delete_collection(self, call: Call) -> Answer:
        selector, options = selector_of(call), call.delete_options()
        with self._api.store.lock:
            placed = self._api.store.list(call.target.type, call.target.namespace)
            chosen = [v for v in placed.items if selector.matches(v.labels, v.selectable())]
            for version in chosen:
                target = Target(call.target.type, version.namespace, version.name)
                self._api.deletion.delete(target, options)
            placed = Placed(self._api.store.revision, chosen)
        meta: Object = {"resourceVersion": str(placed.revision)}
        return Answer(200, form_for(call, self._tables).many(placed.items, meta))

    def read_subresource(self, call: Call) -> Answer:
        """Answer a get of a subresource that is no part of the object's document."""
        if call.target.type is builtin.PODS and call.target.subresource == "log":
            text = self._subresources.log(call.target)
            return Answer(200, text.encode(), content_type="text/plain")
        return json_answer(self._subresources.read(call.target))

    def _subresource(self, call: Call) -> Answer:
        options = call.write_options()
        result = self._subresources.write(
            call.verb, call.target, call.document(), call.media_type, options
        )
        return json_answer(result, 201 if call.verb == "create" else 200)

    def _answer(
        self, call: Call, version: Version, options: WriteOptions, code: int = 200
    ) -> Answer:
        body = form_for(call, self._tables).one(version)
        return Answer(code, body, _warning_header(options.warnings))


def _success(target: Target, version: Version) -> Object:
    details = {
        "name": version.name,
        "group": target.type.group,
        "kind": target.type.plural,
        "uid": version.uid,
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


def _warning_header(warnings: list[str]) -> dict[str, str]:
    quoted = [f'299 - "{text.replace(chr(34), chr(92) + chr(34))}"' for text in warnings]
    return {"Warning": ", ".join(quoted)} if quoted else {}
