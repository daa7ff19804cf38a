"""Answers: headers, refusals, and bodies that are read while they are sent."""
