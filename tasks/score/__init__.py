"""From measurements and logits to a probability, a tier and the doubts that go with them."""
