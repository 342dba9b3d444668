"""Marks: how a row says whose it is, and how a write says that it is the same write again.

ForwardEntryName is the only tag a forward entry has (2 to 128 characters, starting with a letter),
so ownership is written there. A mark is matched whole: a look-alike of another cluster, of
Terraform or of a person is foreign.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9-]")
NAME_LIMIT = 128
TOKEN_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of one cluster. `cluster_id` must not contain `_`, which separates the parts."""

    cluster_id: str

    def name(self, record_uid: str, label: str = "") -> str:
        """The ForwardEntryName for a row of the PodDNAT with that UID.

        `label` (namespace and pod name) is for people who read the table; it is cut to fit.
        """
        mark = f"dnatctl_{self.cluster_id}_{record_uid}"
        text = _NOT_ALLOWED.sub("-", label)
        return f"{mark}_{text}"[:NAME_LIMIT] if text else mark

    def owner(self, name: str) -> str:
        """The UID of the PodDNAT a row with that name belongs to; empty for a foreign row."""
        prefix = f"dnatctl_{self.cluster_id}_"
        if not name.startswith(prefix):
            return ""
        uid, _, _ = name[len(prefix) :].partition("_")
        return uid if re.fullmatch(_UUID, uid) else ""

    def token(self, *intent: object) -> str:
        """The ClientToken of an intended write: the same intent gives the same token.

        At most 64 ASCII characters, as the cloud demands.
        """
        text = "\x1f".join(str(part) for part in (self.cluster_id, *intent))
        return hashlib.sha256(text.encode()).hexdigest()[:TOKEN_LIMIT]
