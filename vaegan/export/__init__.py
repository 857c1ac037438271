"""Trained networks as programs that run without vaegan."""
