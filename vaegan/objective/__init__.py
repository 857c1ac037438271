"""Who minimises what: the terms of each player and their weights over time."""
