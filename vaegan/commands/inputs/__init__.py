"""What commands are given to work on: a trained run's images, image files. No commands."""
