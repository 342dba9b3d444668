"""The part of JSONPath that printer columns and scale paths use."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"\.(?P<field>[^.\[\]]+)"
    r"|\[['\"](?P<quoted>[^'\"]+)['\"]\]"
    r"|\[(?P<index>-?\d+)\]"
    r"|\[(?P<all>\*)\]"
    r"|\[\?\(\s*@(?P<path>[^=!<>]+?)\s*==\s*['\"]?(?P<value>[^'\"]*?)['\"]?\s*\)\]"
)


def find(obj: Any, path: str) -> list[Any]:
    """Every value at `path`. Raises ValueError for a path that cannot be read."""
    found = [obj]
    for step in _parse(path):
        found = [value for item in found for value in _follow(item, step)]
    return found


@lru_cache(maxsize=1024)
def _parse(path: str) -> tuple[dict[str, str | None], ...]:
    path = path.strip("{}").replace("\\.", "\0")
    path = path if path.startswith((".", "[")) else f".{path}"
    steps, at = [], 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            raise ValueError(f"cannot read JSONPath {path!r} from {path[at:]!r} on")
        steps.append(match.groupdict())
        at = match.end()
    return tuple(steps)


def _follow(item: Any, step: dict[str, str | None]) -> list[Any]:
    name = step["field"] or step["quoted"]
    if name == "*" or step["all"]:
        return list(item.values() if isinstance(item, dict) else item or ())
    if name is not None:
        key = name.replace("\0", ".")
        return [item[key]] if isinstance(item, dict) and key in item else []
    if not isinstance(item, list):
        return []
    if step["index"] is not None:
        index = int(step["index"])
        return [item[index]] if -len(item) <= index < len(item) else []
    return [part for part in item if _text(find(part, step["path"] or "")) == step["value"]]


def _text(values: list[Any]) -> str:
    return " ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
