"""How often a name is worked on.

Whoever may edit a pod or its PodDNAT can do so a hundred times a second, and each time it is looked
at anew, told something else, and others wait meanwhile. Only the last of these looks counts. A name
that changes for a reason, with a hundred ports of which each becomes usable by itself, is hardly
held up.
"""

from __future__ import annotations

from collections import OrderedDict

from dnatctl.objects import Key

AT_ONCE = 60
"""Times that a name that has been quiet is worked on without a pause."""

A_SECOND = 4.0
"""Times a second in the long run."""


class Often:
    """For each name, how many times are left. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self._free_at: OrderedDict[Key, float] = OrderedDict()
        """By when a name's past work is paid off; the one worked on longest ago is first."""

    def wait(self, key: Key, now: float) -> float:
        """Seconds to wait before the name is worked on; 0: now, and it counts."""
        owed = max(self._free_at.get(key, now), now) - now
        over = owed - (AT_ONCE - 1) / A_SECOND
        if over > 0:
            return over
        self._free_at[key] = now + owed + 1 / A_SECOND
        self._free_at.move_to_end(key)
        while next(iter(self._free_at.values())) <= now:
            self._free_at.popitem(last=False)
        return 0.0
