"""The door's loudspeaker and microphone test themselves."""
