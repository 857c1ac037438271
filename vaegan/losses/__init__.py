"""Loss terms as tensor maths: summed over pixels or latents, averaged over the batch."""
