"""The control button of the device, pressed by software."""
