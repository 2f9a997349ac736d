"""A file is there whole or not at all, and what is private is private from its first byte."""

from __future__ import annotations

import errno
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.files import (
    PRIVATE_FILE,
    DiskFullError,
    make_private_folder,
    replacing,
    sweep,
    write_once,
    write_whole,
)


def test_an_unfinished_file_never_takes_the_place_of_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as draft:
        draft.write_text("ne")
        assert list(tmp_path.glob("*.parquet")) == [path], "no reader's glob finds the draft"
        raise RuntimeError
    assert [item.name for item in tmp_path.iterdir()] == ["x.parquet"]
    assert path.read_text() == "old"


def test_sweeping_leaves_the_drafts_of_the_living(tmp_path: Path) -> None:
    with replacing(tmp_path / "x") as draft:
        draft.write_text("growing")
        host, pid = draft.name.split(".")[2:4]
        dead = tmp_path / draft.name.replace(f".{pid}.", ".999999999.")
        elsewhere = tmp_path / draft.name.replace(f".{host}.", ".another-host.")
        old = tmp_path / draft.name.replace(f".{host}.", ".old-host.")
        for path in (dead, elsewhere, old):
            path.write_text("")
        os.utime(old, (0, 0))
        assert sweep(tmp_path) == 2
        assert not dead.exists()
        assert not old.exists()
        assert elsewhere.exists()
    assert (tmp_path / "x").read_text() == "growing"


@pytest.mark.parametrize("write", [write_whole, write_once])
def test_private_content_is_never_readable_by_others(
    write: Callable[[Path, bytes, int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    plain = Path.write_bytes

    def write_and_look(path: Path, content: bytes) -> int:
        written = plain(path, content)
        seen.append(stat.S_IMODE(path.stat().st_mode))
        return written

    monkeypatch.setattr(Path, "write_bytes", write_and_look)
    write(tmp_path / "secret", b"whose", PRIVATE_FILE)
    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_what_is_written_once_stays(tmp_path: Path) -> None:
    write_once(tmp_path / "x", b"first")
    write_once(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


def test_a_folder_that_stood_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "identities").mkdir(mode=0o755)
    make_private_folder(tmp_path / "identities")
    assert stat.S_IMODE((tmp_path / "identities").stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_leaves_what_was_there(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "x", b"old")

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskFullError, match="make room") as error:
        write_whole(tmp_path / "x", b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"
    travelled: DiskFullError = pickle.loads(pickle.dumps(error.value))  # noqa: S301 - our own bytes
    assert str(travelled) == str(error.value)
