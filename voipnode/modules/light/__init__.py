"""The call light at the door."""
