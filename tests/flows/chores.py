"""What the tests hand to workers: each may be called there by its import path, and some of them misbehave."""

from __future__ import annotations

import os
import time


def double(number: int) -> int:
    return 2 * number


def die_at_three(number: int) -> int:
    """Takes its whole process along, as a decoder that crashes does."""
    if number == 3:
        os._exit(9)
    return 2 * number


def hang_at_three(number: int) -> int:
    if number == 3:
        time.sleep(600)
    return 2 * number


def raise_at_three(number: int) -> int:
    if number == 3:
        raise LookupError("three")
    return 2 * number
