"""Networks: encoders, decoders, discriminators, and the two players built from them."""
