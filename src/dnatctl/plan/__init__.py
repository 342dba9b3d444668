"""The heart of the program: from what is asked, recorded and there, to the one next thing."""
