"""What has been scored: the store, the names of scores, frames of them, score files of others."""
