"""Who rings for a call, in which order, and what becomes of it when somebody does not answer."""
