"""What dnatctl is delivered with, and a wheel that anybody can make again."""
