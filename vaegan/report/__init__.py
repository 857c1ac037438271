"""Reports of runs: a page for one run, and a comparison of several."""
