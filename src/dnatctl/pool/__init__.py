"""The pool: which endpoints may be handed out, and which one is next."""

from dnatctl.pool.gateway import UNDESCRIBED
from dnatctl.pool.line import Line
from dnatctl.pool.packing import Run, rows_of
from dnatctl.pool.pool import Pool
from dnatctl.pool.quota import Quota
from dnatctl.pool.trust import Target
from dnatctl.pool.values import Allocation, Demand, GatewayPool, Shortage, Wanted

__all__ = [
    "UNDESCRIBED",
    "Allocation",
    "Demand",
    "GatewayPool",
    "Line",
    "Pool",
    "Quota",
    "Run",
    "Shortage",
    "Target",
    "Wanted",
    "rows_of",
]
