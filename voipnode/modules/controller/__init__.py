"""The node as a reader of a door controller: what the entry list does not know goes there."""
