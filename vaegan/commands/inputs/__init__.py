"""Inputs of commands: a trained run's images, and image files. These modules are not commands."""
