"""What a night makes of an archive's list: how long a study must have been quiet, and which are gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.archive.archive import Archive
from tasks.archive.scan import Scan
from tasks.outcomes import ArchiveError
from tasks.publish.lake import Lake
from tasks.publish.presence import mark, presence_of
from tasks.settings import Settings

# Nobody waits for a scheduled night, or sees what a network archive is receiving; scanners and routers send
# a study within minutes.
SETTLE_MINUTES = 30.0
# Archives in which nothing arrives unseen: a folder that someone names is complete, as is what was kept.
IMMEDIATE = frozenset({"folder", "crops"})


@dataclass(frozen=True, slots=True)
class Noted:
    """What is new about the presence of studies.

    Attributes:
        gone: studies that were marked as no longer held.
        note: what is odd, in a sentence; empty when nothing is.
    """

    gone: int = 0
    note: str = ""


NOTHING = Noted()
"""Nothing is new."""
SILENT = Noted(note="The archive stopped answering: what was not begun is left for the next run.")
"""It was not asked about studies that it did not list."""


def settle_minutes(settings: Settings, archive: Archive) -> float:
    """How long a study must have been quiet: as set, else by the kind of archive.

    A scheduled night sets it for a folder too (`flows.deployments`).
    """
    if settings.settle_minutes is not None:
        return settings.settle_minutes
    return 0.0 if archive.kind in IMMEDIATE else SETTLE_MINUTES


def note_presence(lake: Lake, archive: Archive, found: Scan, max_gone_share: float) -> Noted:
    """Mark studies of the lake that the archive no longer holds, and take the mark back from those it does.

    A study that was only not listed is asked for by name first. An archive that misses very many is taken to
    be unwell: then nothing is marked.
    """
    presence = presence_of(lake, archive.key, found.held, found.window)
    mark(lake, presence.returned, None)
    missed = len(presence.missed)
    if missed and found.counts.denied:
        return Noted(note="Parts of the archive may not be read, so no study was marked as gone.")
    if not presence.is_believable(max_gone_share):
        return Noted(
            note=f"The archive no longer lists {missed} of {presence.known} studies that the lake has of it, "
            "so none was marked as gone: see whether it is mounted and whole. If they were deleted, run once "
            "with OSTEOSCREEN_MAX_GONE_SHARE=1."
        )
    try:
        gone = sorted(archive.lost(presence.missed))
    except ArchiveError:
        return Noted(note=f"The archive gave no answer about {missed} studies that it did not list.")
    mark(lake, gone, datetime.now(UTC))
    return Noted(gone=len(gone))
