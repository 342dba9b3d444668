"""`dnatctl demo`: a story played on the emulators, every claim of which is checked."""
