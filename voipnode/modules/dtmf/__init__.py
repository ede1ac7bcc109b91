"""Sequences of digits that act: the "1" that opens the door."""
