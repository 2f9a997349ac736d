"""From a labelled cohort to weights: the network, its training, its export and the evidence beside it."""
