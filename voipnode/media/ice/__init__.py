"""ICE (RFC 8445): a way for a call's packets through NATs, found, checked and watched. No I/O."""
