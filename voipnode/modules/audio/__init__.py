"""The door's microphone and loudspeaker: a sound card, files, or a simulated room, behind one interface."""
