"""Announcements that come by multicast: who is played at the door, and when."""
