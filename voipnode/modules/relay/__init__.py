"""The door's output lines: a guardian process that alone holds them, and the module that leases activations from it."""
