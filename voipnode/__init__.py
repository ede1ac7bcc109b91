"""voipnode: a network door intercom and small SIP softswitch.

Importing this package does no work and loads no room; see ARCHITECTURE.md for what lives where.
"""

__version__ = "0.1.0"
