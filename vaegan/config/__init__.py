"""Options: what there are, how they are checked and read, and the parts that they make."""
