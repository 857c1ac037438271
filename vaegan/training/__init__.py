"""The training loop and all that it needs: step, optimisers, meters, checkpoints, signals."""
