"""Options: their declarations, reading, checks, and the parts that are built from them."""
