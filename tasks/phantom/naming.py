"""File names as archives have them: hashed, with and without endings, in folders that mean nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path


class Namer:
    """Hands out the file names of one study, in the style that its seed picks; no two alike."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root = root
        self._seed = seed
        self._handed_out = 0

    def next(self) -> Path:
        """A path below the root that this namer has not given before; its order tells nothing of slices."""
        mark = hashlib.sha256(repr((self._seed, self._handed_out)).encode()).hexdigest()[:10]
        study = hashlib.sha256(repr((self._seed, "study")).encode()).hexdigest()[:8]
        self._handed_out += 1
        style = self._seed % 4
        if style == 0:
            return self._root / study[:2] / study[2:] / mark
        if style == 1:
            return self._root / "DICOM" / study.upper() / mark[:1].upper() / f"IM{mark.upper()}"
        if style == 2:
            return self._root / f"{study}.{mark}.dcm"
        return self._root / f"export {study}" / "images" / f"{mark}.IMA"
