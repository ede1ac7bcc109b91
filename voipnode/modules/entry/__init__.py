"""The entry list: who may open the door with a card or a code."""
