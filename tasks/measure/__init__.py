"""Measuring what was found: trabecular attenuation, muscle area and attenuation, the muscle index."""
