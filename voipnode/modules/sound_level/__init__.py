"""Tells when it becomes loud at the door."""
