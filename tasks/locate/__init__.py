"""Finding the spine: canal, vertebral bodies and their levels, the muscle beside them, the blood pool."""
