"""Pictures of runs as files: grids, animations, curves, maps."""
