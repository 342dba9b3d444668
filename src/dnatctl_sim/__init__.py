"""The world around the controller, emulated, for tests, demonstrations and trying things out."""
