"""What a home shows: the one thing that all routes read from, and how a home becomes it."""
