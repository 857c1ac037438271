"""Networks: encoders, decoders, discriminators, and the two players made of them."""
