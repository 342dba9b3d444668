"""How long a writer waits after what, in seconds."""

from __future__ import annotations

IDLE_S = 60.0
"""Longest sleep with nothing to do."""

QUOTA_BELIEVED_S = 60.0
"""How long a table is taken for full after a refusal for quota: it may be raised any time."""

RETRY_S = (0.5, 60.0)
"""First and longest pause before a write that failed for its own sake is tried again."""

REJECTED_RETRY_S = (15.0, 300.0)
"""The same where only another request, or a change outside, would help."""

BARRED_PAUSE_S = 5.0
"""Pause of a whole table while the credentials are refused."""

DENIED_PAUSE_S = (5.0, 60.0)
"""First and longest pause of one kind of write to a table, while RAM denies it there."""

LOST_S = 30.0
"""After so long no call that went unanswered can still be at work: thrice the longest timeout."""
