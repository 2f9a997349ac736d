"""Slices on demand in Hounsfield units, their geometry, and what reading them cost."""
