"""What the tests hand to workers: each may be called there by its import path, and some of them misbehave."""

from __future__ import annotations

import os
import resource
import time

import numpy as np


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


def pages_for_arrays(number: int) -> int:
    """Pages that the system had to hand over for `number` arrays of 1 MiB, one after the other."""
    np.ones(2**20, np.uint8)  # the first may be new
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(number):
        np.ones(2**20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
