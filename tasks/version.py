"""The version of the measurement: the code's own number, and a digest of the settings that change results."""

from __future__ import annotations

import hashlib

from tasks.settings import Settings

PIPELINE_NUMBER = "1"
"""Raise it whenever the same bytes may give another number (selection, localisation, measurement, score)."""

_DIGEST_LENGTH = 8
# Settings that say where and how a night runs, not what it finds.
_WITHOUT_EFFECT_ON_RESULTS = frozenset(
    {
        "lake",
        "settle_minutes",
        "max_gone_share",
        "triton_url",
        "keep_pictures",
        "keep_crops",
        "patient_key_secret",
        "inference",
        "cluster",
        "calendar",
        "network",
        "dicomweb",
        "dimse",
    }
)
# The list of known patients grows every day, and what it says counts for studies that are worked on: neither
# a longer list nor another place of its file asks every study again.
_WHERE_A_LIST_LIES = {"known_osteoporosis"}


def pipeline_version(settings: Settings) -> str:
    """The code's number and eight hexadecimal digits of the settings that results depend on.

    A study is screened again when this changes: another age limit or threshold is another question, and the
    row of the earlier answer stays in the lake, superseded.
    """
    relevant = settings.model_dump_json(
        exclude={**dict.fromkeys(_WITHOUT_EFFECT_ON_RESULTS, True), "eligibility": _WHERE_A_LIST_LIES}
    )
    digest = hashlib.sha256(relevant.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{PIPELINE_NUMBER}-{digest}"
