"""The display at the door: pages of buttons and images."""
