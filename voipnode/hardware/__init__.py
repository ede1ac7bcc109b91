"""Wires that several modules use, each by the standard library alone."""
