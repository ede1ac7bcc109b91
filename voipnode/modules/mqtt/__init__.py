"""MQTT: what happens is told to a broker, states are kept there, and subscriptions are heard."""
