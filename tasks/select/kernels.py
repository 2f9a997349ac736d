"""Reconstruction kernels: which names mean a sharp one, by vendor.

A sharp kernel adds noise and edge overshoot to trabecular attenuation. Sources: the vendors' published
kernel lists (Siemens: the number grows with sharpness, medium below 50; GE: named; Philips: letters; Canon
and Toshiba: FC families, 01 to 28 body and head, 30 and above bone, 50 to 59 and 80 to 86 lung).
"""

from __future__ import annotations

import re
from enum import IntEnum


class Kernel(IntEnum):
    """How a kernel is treated, in order of preference."""

    SOFT = 0
    UNKNOWN = 1
    SHARP = 2


# Siemens: medium up to B46 / Br49, sharp from 50 on.
FIRST_SHARP_SIEMENS = 50
# Canon and Toshiba: FC30 is the first bone kernel.
FIRST_SHARP_FC = 30

_SIEMENS = re.compile(r"^(?P<family>[BDHIJQTU][A-Z]?)(?P<number>\d{2})[A-Z]?$")
_FC = re.compile(r"^FC(?P<number>\d{2})")
_SHARP_WORDS = re.compile(
    r"LUNG|BONE|EDGE|DETAIL|SHARP|ULTRA|HRES|HIGH\s?RES|\bHR\b|CRISP|OSTEO|PARENCHYM|CORTICAL"
)
_SOFT_WORDS = re.compile(r"SOFT|STANDARD|STND|\bSTD|CHEST|SMOOTH|BODY|MEDIAST|ABDOM")
# Philips Brilliance, Ingenuity, iCT: A smooth, B standard, C between; D, E, L and the Y family sharpen.
_PHILIPS_SOFT = frozenset({"A", "B", "C"})
_PHILIPS_SHARP = frozenset({"D", "E", "F", "L", "YA", "YB", "YC", "YD", "YE"})


def kernel_class(name: str) -> Kernel:
    """How ConvolutionKernel is treated; of several values joined by a backslash the first counts."""
    plain = name.upper().split("\\")[0].strip()
    if siemens := _SIEMENS.match(plain):
        sharp = siemens["family"] == "BL" or int(siemens["number"]) >= FIRST_SHARP_SIEMENS
        return Kernel.SHARP if sharp else Kernel.SOFT
    if canon := _FC.match(plain):
        return Kernel.SHARP if int(canon["number"]) >= FIRST_SHARP_FC else Kernel.SOFT
    if plain in _PHILIPS_SHARP or _SHARP_WORDS.search(plain):
        return Kernel.SHARP
    if plain in _PHILIPS_SOFT or _SOFT_WORDS.search(plain):
        return Kernel.SOFT
    return Kernel.UNKNOWN
