"""What a worker does with a key of the queue."""
