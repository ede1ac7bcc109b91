"""Feeds the far side of a capture back into the stack, in virtual time."""
