"""Contacts: people and places that can be called by name, with availability and somebody to fall back on."""
