"""docs/reference/configuration.md"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from dnatctl.config import ENVIRONMENT
from dnatctl.config.settings import SETTINGS, Setting
from dnatctl.config.types import format_duration
from reference.markdown import code, page, table

INTRODUCTION = """\
dnatctl reads one YAML file, named by `--config` or `DNATCTL_CONFIG` (default
`/etc/dnatctl/config.yaml`). The file of the older natgw controller works as it is; all keys beyond
it are optional. A minimal file:

```yaml
clusterID: c11ba338192xxxxxxx
regionID: cn-hangzhou
vpcID: vpc-bp1rkq0zxxxxxx
enableControllers: [natgw]
networkController:
  natGwPool:
    - natgwId: ngw-bp1uewa15k4iy
      portRangeStart: 512
      portRangeEnd: 1024
```

Rules that hold for every key:

- What is wrong is told all at once, each mistake with line, column, key, what was found and what is
  allowed; the program then ends with exit code 2. Unknown keys and keys given twice are mistakes.
- A key without a value (`eips:`) is the same as none.
- Text that YAML takes for a number or a truth value goes in quotes (`clusterID: "0123"`).
- Durations have units: `30s`, `5m`, `24h`, `1h30m`, `0.5s`.
- A flag wins over the environment, the environment over the file.
- `dnatctl run` takes a changed file in while it works, within half a minute of it being there, as a
  whole or not at all: where there is a mistake in it, or a key has changed whose meaning below ends
  with "Needs a restart", the file before stays in force. That is told in the log, as event
  `ConfigRefused` on the Lease, in `/readyz?verbose`, `dnatctl status` and the metric
  `dnatctl_config_last_reload_successful`. An AccessKey pair can be exchanged at any time.
- AccessKey pairs appear in no message, log or metric."""


def render() -> str:
    """The page."""
    sections = [setting for setting in SETTINGS.values() if setting.section]
    top = [setting for setting in SETTINGS.values() if "." not in setting.key]
    return page(
        "Configuration",
        "`src/dnatctl/config/schema.py`",
        INTRODUCTION,
        "## Top level",
        _table(top, ""),
        *(part for section in sections for part in _section(section)),
        "## Environment",
        "These variables win over the file. One that is empty counts as not set.",
        table(["Variable", "Setting"], ([code(k), code(v)] for k, v in ENVIRONMENT.items())),
    )


def _section(section: Setting) -> Iterator[str]:
    below = next(key for key in SETTINGS if re.match(re.escape(section.key) + r"(\[\])?\.", key))
    prefix = below[: below.index(".", len(section.key)) + 1]
    inside = [
        setting
        for setting in SETTINGS.values()
        if setting.key.startswith(prefix) and "." not in setting.key.removeprefix(prefix)
    ]
    yield f"## {code(prefix.removesuffix('.'))}"
    yield section.section.__doc__ or ""
    yield _table(inside, prefix)


def _table(settings: list[Setting], prefix: str) -> str:
    head = ["Key", "Allowed", "Default", "Meaning"]
    return table(head, (_row(setting, prefix) for setting in settings))


def _row(setting: Setting, prefix: str) -> list[str]:
    default = "**required**" if setting.required else _default(setting)
    allowed = "see below" if setting.section else setting.allowed
    meaning = setting.description + (" Needs a restart." if setting.restart else "")
    return [code(setting.key.removeprefix(prefix)), allowed, default, meaning]


def _default(setting: Setting) -> str:
    value: Any = setting.default
    if setting.section or value in (None, (), {}, "") or isinstance(value, SecretStr):
        return ""
    if setting.allowed.startswith("a duration"):
        return code(format_duration(value))
    if isinstance(value, tuple):
        return code(f"[{', '.join(map(str, value))}]")
    return code(str(value).lower() if isinstance(value, bool) else str(value))
