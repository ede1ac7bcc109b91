"""The exchange: calls between two SIP parties through the node."""
