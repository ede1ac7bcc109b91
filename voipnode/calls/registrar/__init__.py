"""The node's own telephones: extensions, where they are, and who may call as one of them."""
