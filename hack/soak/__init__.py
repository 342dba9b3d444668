"""`make soak`: pods come and go for long, while both sides fail and the controller is killed."""
