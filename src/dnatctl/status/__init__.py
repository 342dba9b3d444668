"""What the controller shows of itself: the document of /status, and its forms. Pure."""
