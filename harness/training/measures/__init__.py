"""What is measured of predictions and of networks."""
