"""Prefect by default: an embedded server beside the lake, unless the environment names another.

Must be called before Prefect is first imported, because Prefect reads its settings then.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tasks.outcomes import ConfigurationError

# Prefect's database alone takes a few MB, a night's pictures and tables some more.
_FREE_BYTES = 100 * 1024**2
_PICTURE_BYTES = 1024**2
# Prefect's home stands before the lake does: a night killed between the two left a lake all the same.
_HOME = ".prefect"


def configure_prefect(lake: Path, *, debug: bool = False) -> None:
    """Point Prefect at a home inside the lake, quietly; whatever the user has set is left alone.

    Raises:
        ConfigurationError: when the home cannot be made.

    Args:
        lake: root of the lake; `<lake>/.prefect` holds the embedded server's database.
        debug: let Prefect log what it does.
    """
    _check(lake.absolute())
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "DEBUG" if debug else "CRITICAL",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    if "PREFECT_API_URL" not in os.environ:
        defaults["PREFECT_HOME"] = str(lake.absolute() / _HOME)
        # a night keeps nothing in blocks, and writing all their types takes two seconds of a fresh database
        defaults["PREFECT_SERVER_REGISTER_BLOCKS_ON_START"] = "false"
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if "PREFECT_HOME" in os.environ:
        _make(Path(os.environ["PREFECT_HOME"]))


def check_apart(archive: Path, lake: Path) -> None:
    """Refuse a lake in the archive, or an archive in the lake: a night must not read what it writes.

    Raises:
        ConfigurationError: when one lies in the other.
    """
    one, other = archive.resolve(), lake.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise ConfigurationError(
            f"The lake {other} and the archive lie one in the other: name a lake outside with --lake."
        )


def _check(lake: Path) -> None:
    """A lake goes into a folder of its own, on a disk that is not full."""
    if lake.exists() and not lake.is_dir():
        raise ConfigurationError(f"{lake} is a file: name a folder with --lake.")
    if lake.exists() and not os.access(lake, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigurationError(f"{lake} cannot be written: name another folder with --lake.")
    held = {entry.name for entry in lake.iterdir()} if lake.exists() else set()
    if "lake.lock" not in held and held - {_HOME}:
        raise ConfigurationError(
            f"{lake} holds other things and is no lake: name an empty folder, or one that does not exist yet."
        )
    if _free_bytes(lake) < _FREE_BYTES:
        raise ConfigurationError(
            f"The disk of {lake} is full: make room, or name another folder with --lake."
        )


def is_full(lake: Path) -> bool:
    """Whether the lake's disk has no room for even a picture."""
    return _free_bytes(lake.absolute()) < _PICTURE_BYTES


def _free_bytes(lake: Path) -> int:
    standing = next(place for place in (lake, *lake.parents) if place.exists())
    return shutil.disk_usage(standing).free


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{home} cannot be made: {error.strerror}. Choose another lake.") from None
