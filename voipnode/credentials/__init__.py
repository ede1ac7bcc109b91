"""Credentials as bits: what cards and keypads say on a wire, and how it is said to a door controller. No I/O.

Bits are texts of "0" and "1", the first one on the wire first.
"""
