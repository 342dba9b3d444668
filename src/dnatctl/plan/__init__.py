"""The heart of the program: from what is asked, recorded and there, to what is to be done now."""
