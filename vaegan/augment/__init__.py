"""Random changes to images: to training images, and to the discriminator's input."""
