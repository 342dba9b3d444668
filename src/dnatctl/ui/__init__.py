"""A page for a browser on this machine that shows what the leader knows."""
