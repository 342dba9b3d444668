"""Makes docs/reference from what the program itself says of its settings, metrics and objects."""
