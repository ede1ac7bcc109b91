"""The only sockets, timers and entropy of the node: thin shells around the engines that decide."""
