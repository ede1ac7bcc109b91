"""Calls that any HTTP client answers, by sending sound."""
