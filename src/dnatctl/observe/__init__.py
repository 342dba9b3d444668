"""What people and monitoring see: metrics, logs, health."""
