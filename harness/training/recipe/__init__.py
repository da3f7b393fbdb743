"""What a recipe says, and what it makes of networks, images and rates."""
