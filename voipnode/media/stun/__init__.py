"""STUN (RFC 8489): the messages of connectivity checks (RFC 8445) and of relays (RFC 8656), without I/O."""
