"""Recipients: who is told of things outside the house, over HTTP, mail, TCP or syslog, sooner or later."""
