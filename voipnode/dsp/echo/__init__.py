"""The loudspeaker's sound taken out of the microphone's."""
