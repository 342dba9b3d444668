"""What people and monitoring see: metrics, logs, health."""

import importlib

from dnatctl import thin

with thin.without("rich"):  # 5 MB for tracebacks in colours, wherever that is installed
    importlib.import_module("structlog")
