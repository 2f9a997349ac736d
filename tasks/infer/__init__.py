"""From crops of vertebrae to logits and heatmaps: the client of Triton, and the embedded server."""
