"""How often a name is worked on.

Whoever may edit a pod or its PodDNAT can do so a hundred times a second, and each time it is looked
at anew, told something else, and others wait meanwhile. Only the last of these looks counts. A name
that changes for a reason, with a hundred ports of which each becomes usable by itself, is hardly
held up.
"""

from __future__ import annotations

from collections import OrderedDict

from dnatctl.budget import UNUSED, Budget
from dnatctl.objects import Key

BUDGET = Budget(at_once=60, a_second=4.0)
"""Times that a name is worked on."""


class Often:
    """For each name, how many times are left. Times are seconds on the monotonic clock."""

    def __init__(self) -> None:
        self._paid_off: OrderedDict[Key, float] = OrderedDict()
        """By when a name's past work is paid off; the one worked on longest ago is first."""

    def wait(self, key: Key, now: float) -> float:
        """Seconds to wait before the name is worked on; 0: now, and it counts."""
        paid_off = self._paid_off.get(key, UNUSED)
        due = BUDGET.due(paid_off, now)
        if due > now:
            return due - now
        self._paid_off[key] = BUDGET.used(paid_off, now)
        self._paid_off.move_to_end(key)
        while next(iter(self._paid_off.values())) <= now:
            self._paid_off.popitem(last=False)
        return 0.0
