"""Where studies come from, and what is new since last time."""
