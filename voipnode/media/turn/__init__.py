"""Addresses beyond the router: STUN's view of ours (RFC 8489), TURN's relays (RFC 8656), without I/O."""
