"""Detectors: shock, people (PIR), tampering with the camera, motion."""
