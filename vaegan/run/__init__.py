"""The run folder: all reading and writing of its files."""
