"""UIDs as they may stand in a row, a path or a log line: digits and dots, whatever the header holds.

A UID element is free bytes to whoever writes the file, and has been seen with names in it.
"""

from __future__ import annotations

import hashlib
import re

#: PS3.5 section 9.1: digits and dots, at most 64; a digit first, so that none is a step up in a path.
_UID = re.compile(rb"[0-9][0-9.]{0,63}")
#: PS3.5 section B.2: a UID made from 128 bits by anybody.
_DERIVED_ROOT = "2.25."
_DERIVED_BYTES = 16


def plain_uid(raw: bytes) -> str:
    """The UID that `raw` holds; empty when it holds none.

    Bytes that are no UID become one that is derived from their digest: always the same for the same bytes,
    so that images which share them still belong together, and without a word of them.
    """
    padded = raw.strip(b" \0")
    if not padded:
        return ""
    if _UID.fullmatch(padded):
        return padded.decode("ascii")
    digest = hashlib.sha256(padded).digest()[:_DERIVED_BYTES]
    return f"{_DERIVED_ROOT}{int.from_bytes(digest)}"
