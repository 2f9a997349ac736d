"""Commands of `osteoscreen` that are more than a line or two."""
