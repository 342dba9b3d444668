"""What all threads share: the views, the queue, and the signals from the one to the other."""
