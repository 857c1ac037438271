"""The run folder and its only owner."""
