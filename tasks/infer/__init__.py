"""Infer: crops of vertebrae → Triton → logits and heatmaps; the embedded server and its client."""
