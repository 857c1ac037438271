"""Reports of runs: one run's on a page, several runs' side by side."""
