"""The steps of the night, one folder each, in the order in which data flows through them."""
