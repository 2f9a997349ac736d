"""What a scored study leaves besides its rows: the picture that shows why, and crops for later models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.findings import Bench, Findings, Work
from flows.rows import result_of
from tasks.explain.seen import Seen, draw_seen
from tasks.explain.strip import sagittal_strip
from tasks.infer.crop import model_crop
from tasks.publish.crops import keep_crops


def shown(bench: Bench, work: Work, findings: Findings) -> Findings:
    """A scored study with its picture, drawn from the very rows that are published; as the settings ask for.

    Raises:
        DiskFullError: when there is no room for them.
    """
    if not (bench.settings.keep_pictures or bench.settings.keep_crops):
        return findings
    assert findings.prediction is not None  # noqa: S101 - scored means that it is there
    seen, heatmaps = _seen(findings), findings.prediction.heatmaps
    if bench.settings.keep_crops:
        keep_crops(bench.lake, work.key, seen)
    if bench.settings.keep_pictures:
        findings = replace(findings, picture=bench.lake.picture_path(work.key))
        result = result_of(bench, work, findings, None, 0.0)
        picture = draw_seen(result.screening, result.vertebrae, seen, heatmaps)
        bench.lake.write_picture(work.key, picture)
    return findings


def _seen(findings: Findings) -> Seen:
    assert findings.anatomy and findings.volume  # noqa: S101 - scored means that they are there
    volume = findings.volume
    return Seen(
        crops=np.stack([model_crop(volume, vertebra.body) for vertebra in findings.vertebrae]),
        regions=tuple(vertebra.trabecular for vertebra in findings.vertebrae),
        strip=sagittal_strip(volume, volume.read, findings.anatomy.column),
    )
