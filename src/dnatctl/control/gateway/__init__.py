"""One gateway at work: its table is read, written to and swept, each by a thread of its own."""
