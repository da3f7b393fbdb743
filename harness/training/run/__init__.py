"""How a training runs: steps, batches, checkpoints, processes."""
