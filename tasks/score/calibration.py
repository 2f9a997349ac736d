"""`Calibration`: what makes a logit a probability."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = sigmoid(logit / temperature + bias), fitted on held-out patients' mean logits.

    Raises:
        ValueError: when the temperature is not above 0, or a value is not finite.
    """

    temperature: float = 1.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0 and math.isfinite(self.bias)):
            raise ValueError(f"calibration with temperature {self.temperature} and bias {self.bias}")

    def probability(self, logit: float) -> float:
        """The probability of a finite logit, 0 to 1."""
        steep = logit / self.temperature + self.bias
        if steep >= 0:
            return 1.0 / (1.0 + math.exp(-steep))
        small = math.exp(steep)  # never overflows, unlike exp(-steep)
        return small / (1.0 + small)
