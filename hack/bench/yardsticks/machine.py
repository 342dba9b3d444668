"""How fast this machine is, beside the one that the goals were set on."""

from __future__ import annotations

from pathlib import Path

from hack.bench.yardsticks.bare import BARE_MS, usual_life


def slowness(folder: Path) -> float:
    """How many times longer than usual a bare script takes for a pod's life; 1 if not longer.

    By the CPU clock, in a quarter of a minute. A loop of additions fits into the caches, and hardly
    notices neighbours from which a program suffers.
    """
    return max(1.0, usual_life(folder, quick=False) / BARE_MS)
