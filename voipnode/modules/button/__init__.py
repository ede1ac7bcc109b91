"""Digital inputs and the call buttons wired to them."""
