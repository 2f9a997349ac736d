"""`osteoscreen doctor`: what works on this machine, what does not, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from flows.night import active_manifest
from tasks.dicom.syntaxes import SYNTAXES, Syntax
from tasks.infer.environment import find_environment
from tasks.outcomes import ConfigurationError, Failed
from tasks.settings import Settings

# A worker holds a study of a few hundred slices and its libraries in about this much.
_MEMORY_A_WORKER_BYTES = 2 * 1024**3
_FREE_DISK_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        is_needed: a night cannot run without it.
    """

    what: str
    works: bool
    found: str
    remedy: str = ""
    is_needed: bool = True


def examine(settings: Settings) -> tuple[Check, ...]:
    """Everything that a night stands on, looked at without starting one."""
    return tuple(_checks(settings))


def _checks(settings: Settings) -> Iterator[Check]:
    yield Check(
        "Python",
        sys.version_info[:2] in ((3, 11), (3, 12), (3, 13)),
        sys.version.split()[0],
        "use 3.11 to 3.13",
    )
    yield _memory(settings)
    yield _disk(settings)
    yield _model(settings)
    yield _triton(settings)
    yield from (_syntax(syntax) for syntax in SYNTAXES.values())


def _syntax(syntax: Syntax) -> Check:
    what = f"pixels: {syntax.name}"
    try:
        return Check(what, True, syntax.codec.name, is_needed=False)
    except Failed as refusal:
        return Check(what, False, "refused", refusal.detail, is_needed=False)


def _memory(settings: Settings) -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    workers = settings.cluster.workers or os.cpu_count() or 1
    needed = workers * _MEMORY_A_WORKER_BYTES
    return Check(
        "memory",
        total >= needed,
        f"{total / 1024**3:.0f} GiB for {workers} workers",
        f"set OSTEOSCREEN_CLUSTER__WORKERS to {max(1, total // _MEMORY_A_WORKER_BYTES)}",
    )


def _disk(settings: Settings) -> Check:
    place = settings.lake.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    return Check(
        "lake",
        writable and free >= _FREE_DISK_BYTES,
        f"{free / 1024**3:.0f} GiB free" if writable else "not writable",
        "choose another folder with --lake, or make room",
    )


def _model(settings: Settings) -> Check:
    try:
        manifest = active_manifest(settings.inference)
    except ConfigurationError as error:
        return Check("model", False, "cannot be used", str(error))
    return Check("model", True, f"{manifest.name} {manifest.version} ({manifest.label})")


def _triton(settings: Settings) -> Check:
    if settings.triton_url:
        return Check("Triton", True, f"configured: {settings.triton_url} (not asked)")
    try:
        found = find_environment(settings.inference)
    except ConfigurationError as error:
        return Check("embedded Triton", False, "not installed", str(error))
    return Check("embedded Triton", True, found.server.name)
