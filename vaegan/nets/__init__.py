"""Registries of networks; importing this package registers all that ship with it."""
