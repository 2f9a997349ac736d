"""Generated chest CT patients with known truth: for the demo, for tests and for the reference weights."""
