"""docs/reference/status.md: the document of /status."""

import json
from collections.abc import Iterator
from typing import Any

from dnatctl.status.document import json_schema
from reference.markdown import code, page, table

TOP = "StatusDocument"

INTRO = """\
The leader answers `GET /status` on `--status-bind-address` (`127.0.0.1:8082`) with this document;
it names pods, and is therefore not on the port that Prometheus scrapes. `dnatctl status`, `ui`,
`who` and `explain` read it, through a port-forward where they run elsewhere. A replica that does
not lead says who does, and no more. Fields may be added; while `schema` stays as it is none
changes its meaning. Fields of the inner parts that have their default are left out.

```sh
kubectl -n dnatctl-system port-forward deploy/dnatctl 8082 &
curl -s http://127.0.0.1:8082/status | jq .gateways
```
"""


def render() -> str:
    """The page."""
    kinds: dict[str, Any] = json_schema()["$defs"]
    order = [TOP, *(name for name in kinds if name != TOP)]
    parts = (part for name in order for part in _kind(name, kinds[name]))
    return page("Status", "`src/dnatctl/status/document.py`", INTRO.strip(), *parts)


def _kind(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield " ".join(schema.get("description", "").split())
    if "enum" in schema:
        yield "One of " + ", ".join(map(code, schema["enum"])) + "."
        return
    required = set(schema.get("required", ()))
    rows = [
        (code(field), _type(what), "" if field in required else _default(what))
        for field, what in schema["properties"].items()
    ]
    yield table(("Field", "Type", "Default"), rows)


def _default(what: dict[str, Any]) -> str:
    return code(json.dumps(what["default"])) if "default" in what else ""


def _type(what: dict[str, Any]) -> str:
    if "$ref" in what:
        name = what["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in what:
        return " or ".join(_type(each) for each in what["anyOf"])
    if what.get("type") == "array":
        return f"list of {_type(what['items'])}"
    return str(what.get("type", "any"))
