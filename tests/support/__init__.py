"""What several test modules need: a real server on a port of its own."""
