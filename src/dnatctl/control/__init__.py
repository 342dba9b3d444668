"""Threads: who watches, who decides, who writes, and what they share."""
