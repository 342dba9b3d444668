"""Which cluster this is, and what an earlier leader has left."""
