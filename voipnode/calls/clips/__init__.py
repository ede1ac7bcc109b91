"""Audio clips: read, kept, played at the door and into calls."""
