"""Programs that run without vaegan, made from trained networks."""
