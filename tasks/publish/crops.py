"""Kept crops: what the model saw of a scored study, so that another model version can score it by itself.

One file `crops/<digest>.npz` for each (study, content, pipeline version), whatever the model: crops, regions
and strip as plain arrays. They show a patient's body, so they are for their owner only; no name or number is
in them.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import astuple
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.explain.seen import Seen
from tasks.explain.strip import SagittalStrip
from tasks.files import PRIVATE_FILE, make_private_folder, write_whole
from tasks.measure.trabecular import Trabecular
from tasks.publish.lake import Lake
from tasks.publish.result import ScreeningKey

FOLDER = "crops"
# What a file may unpack to: 8 crops of 100 KB and a strip of 2 MB fit many times.
MAX_BYTES = 64 * 1024**2


def crops_path(lake: Lake, key: ScreeningKey) -> Path:
    """Where the crops of a study lie; nothing can be read out of the name."""
    text = "\x1f".join((key.study_uid, key.content_key, key.pipeline_version))
    digest = sha256(text.encode()).hexdigest()[:32]
    return lake.root / FOLDER / digest[:2] / f"{digest}.npz"


def keep_crops(lake: Lake, key: ScreeningKey, seen: Seen) -> None:
    """Keep what was seen of a study. Needs no lock."""
    make_private_folder(lake.root / FOLDER)
    write_whole(crops_path(lake, key), _pack(seen), PRIVATE_FILE)


def read_crops(lake: Lake, key: ScreeningKey) -> Seen | None:
    """What was kept of a study; None when nothing was, or it can no longer be read whole."""
    try:
        content = crops_path(lake, key).read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > MAX_BYTES:
                return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return _unpack({name: arrays[name] for name in arrays.files})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _pack(seen: Seen) -> bytes:
    packed = io.BytesIO()
    regions = np.array([astuple(region) for region in seen.regions], np.float64)
    strip = seen.strip
    if strip is None:
        np.savez_compressed(packed, crops=seen.crops, regions=regions)
    else:
        np.savez_compressed(
            packed,
            crops=seen.crops,
            regions=regions,
            strip=strip.hu.astype(np.float16),  # for the eye alone
            edges_mm=np.array([strip.top_mm, strip.bottom_mm, strip.front_mm, strip.back_mm]),
            read_z_mm=np.array(strip.read_z_mm),
        )
    return packed.getvalue()


def _unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> Seen:
    """What the arrays hold.

    Raises:
        KeyError, TypeError, ValueError: when they are not those of `_pack`.
    """
    regions = arrays["regions"]
    if not np.isfinite(regions).all():
        raise ValueError("a region lies nowhere")
    strip = None
    if "strip" in arrays:
        top, bottom, front, back = map(float, arrays["edges_mm"])
        read_z_mm = tuple(map(float, arrays["read_z_mm"]))
        strip = SagittalStrip(arrays["strip"].astype(np.float32), top, bottom, front, back, read_z_mm)
    return Seen(arrays["crops"], tuple(Trabecular(*map(float, region)) for region in regions), strip)
