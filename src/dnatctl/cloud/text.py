"""What the cloud says, made fit to be shown to tenants: in events, conditions and logs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from dnatctl.decoding import text_of

LONGEST: Final = 300
"""Characters of a message that are shown."""

_LOOKED_AT: Final = 2048
"""Characters that are looked at: a pattern must not be run over as many as somebody likes."""

# What the vendor says of a wrong signature repeats the signed headers, session token included.
_SIGNED_TEXT: Final = re.compile(r"server\W{0,8}(string|canonical).*", re.IGNORECASE)
_URL: Final = re.compile(r"\b\w+://\S+")
_LONG_TOKEN: Final = re.compile(r"[\w+/=%.-]{80,}")


def shown(text: object, secrets: Iterable[str] = (), longest: int = LONGEST) -> str:
    """One line of what somebody else wrote, cut to `longest` characters.

    Without the secrets, control characters, URLs, what looks like a token, and the vendor's
    repetition of what was signed. Takes time linear in the length of `text`.
    """
    whole = text_of(text)
    # In all of it: one that is cut in two by the next step would not be found any more.
    for secret in filter(None, secrets):
        for form in {secret, quote(secret, safe="")}:
            whole = whole.replace(form, "<redacted>")
    begin = "".join(c if c.isprintable() else " " for c in whole[:_LOOKED_AT])
    line = " ".join(begin.split())
    line = _LONG_TOKEN.sub("<redacted>", _URL.sub("<url>", _SIGNED_TEXT.sub("", line))).rstrip()
    return line if len(line) <= longest else f"{line[:longest]}..."
