"""Finding the spine: canal, vertebral bodies and their levels; blood, lungs and metal around it."""
