"""Services that a run is tracked with."""
