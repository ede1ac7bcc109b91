"""Readers: what reads the cards and keys of those who want in, and shows them what came of it."""
