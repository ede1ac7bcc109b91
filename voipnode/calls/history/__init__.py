"""The call history: who called whom, when, how it ended, who opened the door, and how it sounded."""
