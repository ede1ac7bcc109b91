"""Rules: when this and that holds, do these things one after the other."""
