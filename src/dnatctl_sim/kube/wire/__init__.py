"""How requests and answers look over HTTP, and what can be made to go wrong there."""
