"""`Lake`: where everything lies in the folder of the results, and how finished studies get into it.

Parquet is the record: one file a month of `screenings`, `vertebrae` and `series`, rewritten beside its place
and moved in whole, so that a reader sees the old month or the new one and never half of either. A write that
is interrupted anywhere is finished by doing it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tasks.files import PRIVATE_FILE, PUBLIC_FILE, make_private_folder, sweep, write_whole
from tasks.outcomes import ConfigurationError
from tasks.publish.batch import gather
from tasks.publish.lock import exclusive, holder, is_wanted
from tasks.publish.months import UNKNOWN_MONTH, MonthlyTable, without
from tasks.publish.result import ScreeningKey, StudyResult, key_of
from tasks.publish.storage import read_table, write_table
from tasks.schema import SCREENING_KEY, TABLES, ReviewRow, RunRow, ScreeningRow, VertebraRow, conform

PRIVATE = ("patients", "accessions")
SINGLE = ("runs", "reviews", *PRIVATE)


class Lake:
    """One folder of results.

    Args:
        root: the folder; made by the first `locked`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.screenings = MonthlyTable(self.root, "screenings")
        self.vertebrae = MonthlyTable(self.root, "vertebrae")
        self.series = MonthlyTable(self.root, "series")
        self._is_locked = False

    def __reduce__(self) -> tuple[type[Lake], tuple[Path]]:
        """Another process gets the lake without the lock: that is held here."""
        return Lake, (self.root,)

    @property
    def identities(self) -> Path:
        """Who the patients are; for its owner only (mode 700)."""
        return self.root / "identities"

    @property
    def database(self) -> Path:
        """The DuckDB file for readers."""
        return self.root / "screening.duckdb"

    def writer(self) -> str | None:
        """Who holds `locked`; None when nobody does."""
        return holder(self._lock)

    def exists(self) -> bool:
        """Whether the folder holds a lake."""
        return self.screenings.path(UNKNOWN_MONTH).exists()

    def require(self) -> Lake:
        """This lake, when there is one.

        Raises:
            ConfigurationError: when the folder holds no lake.
        """
        if not self.exists():
            raise ConfigurationError(
                f"There is no lake in {self.root}. Name another with --lake, or run a night first."
            )
        return self

    @contextmanager
    def locked(self, who: str, *, gives_way: bool = False, patience_s: float = 0.0) -> Iterator[Lake]:
        """Be the only writer; the folder is made, and swept of what dead writers left.

        Args:
            who: what to tell another writer, such as the run id; no patient data.
            gives_way, patience_s: who goes first, as `tasks.publish.lock.exclusive` has it.

        Raises:
            LakeBusyError: when another process writes, naming it.
            ConfigurationError: when the folder cannot be made or written.
        """
        if self._is_locked:
            yield self
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"The lake {self.root} cannot be made: {error.strerror}.") from None
        with exclusive(self._lock, who, gives_way=gives_way, patience_s=patience_s):
            self._is_locked = True
            try:
                sweep(self.root)
                self._prepare()
                yield self
            finally:
                self._is_locked = False

    def is_wanted(self) -> bool:
        """Whether a writer waits for the one that has the lake now to let go of it."""
        return is_wanted(self._lock)

    def publish(self, results: Iterable[StudyResult]) -> tuple[str, ...]:
        """Put finished studies into the lake; a repeat replaces its row and never doubles it.

        An older row of the same study and model version gets `superseded_at`. Only months that change are
        written: identities first, then series, vertebrae, and the screenings last, so that no screening
        stands without what belongs to it.

        Returns:
            The months that were written, sorted.

        Raises:
            SchemaError: when a row does not fit; nothing has been written then.
            LakeBusyError: when another process writes.
        """
        batch = gather(results)
        if not len(batch.screenings):
            return ()
        with self.locked("publish"):
            self._upsert("patients", batch.patients)
            self._upsert("accessions", batch.accessions)
            written = self.series.upsert(batch.series, batch.series_months, batch.keys)
            written |= self.vertebrae.upsert(batch.vertebrae, batch.vertebrae_months, batch.keys)
            written |= self.screenings.upsert(batch.screenings, batch.screening_months, batch.keys)
        return tuple(sorted(written))

    def finished(self) -> dict[ScreeningKey, str | None]:
        """Every piece of work in the lake, current or not, with the reason it ended for; None when scored."""
        if not self.screenings.months():
            return {}
        stored = self.screenings.read([*SCREENING_KEY, "reason"])
        keys = zip(*(stored[name].to_pylist() for name in SCREENING_KEY), strict=True)
        return {
            ScreeningKey(*key): reason for key, reason in zip(keys, stored["reason"].to_pylist(), strict=True)
        }

    def read_by(self, run_id: str) -> dict[str, int]:
        """How many slices and bytes a run read, and of how many slices, over all studies it published."""
        rows = self.screenings.read(["run_id", "slices_total", "slices_read", "bytes_read"])
        own = rows.filter(pc.equal(rows["run_id"], run_id))
        return {name: pc.sum(own[name]).as_py() or 0 for name in own.column_names if name != "run_id"}

    def find(self, ending: str) -> str:
        """The StudyInstanceUID that ends so.

        Raises:
            ConfigurationError: when no study of the lake does, or several do.
        """
        self.require()
        uids = self.screenings.read(["study_uid"])["study_uid"].unique().to_pylist()
        found = [uid for uid in uids if uid == ending] or [uid for uid in uids if uid.endswith(ending)]
        if len(found) != 1:
            how_many = "no study" if not found else f"{len(found)} studies"
            raise ConfigurationError(
                f"The lake has {how_many} whose UID ends so. "
                "`osteoscreen worklist --format csv` lists whole UIDs."
            )
        return str(found[0])

    def history(self, study_uid: str) -> list[tuple[ScreeningRow, tuple[VertebraRow, ...]]]:
        """Everything known of one study, the newest screening first, its vertebrae from the lowest up."""
        self.require()
        rows: list[ScreeningRow] = TABLES["screenings"].read(self.screenings.read(studies=[study_uid]))
        stored: list[VertebraRow] = TABLES["vertebrae"].read(self.vertebrae.read(studies=[study_uid]))
        vertebrae = sorted(stored, key=lambda row: row.position)
        return [
            (row, tuple(item for item in vertebrae if key_of(item) == key_of(row)))
            for row in sorted(rows, key=lambda row: row.screened_at, reverse=True)
        ]

    def write_run(self, row: RunRow, settings: Mapping[str, object]) -> None:
        """Record a run: its row in `runs/runs.parquet`, and the same with its settings as `<run_id>.json`.

        Args:
            settings: JSON-able; secrets masked by the caller.
        """
        rows = conform("runs", [row])
        facts = {"run": rows.to_pylist()[0], "settings": settings}
        text = json.dumps(facts, indent=2, default=str, ensure_ascii=False) + "\n"
        with self.locked("write_run"):
            write_whole(self.root / "runs" / f"{_file_name(row.run_id)}.json", text.encode())
            self._upsert("runs", rows)

    def add_review(self, row: ReviewRow) -> None:
        """Record one decision, in a file of its own, so that reviewers never wait for a night's lock."""
        rows = conform("reviews", [row])
        write_table(rows, self.root / "reviews" / f"{_file_name(row.review_id)}.parquet")

    def picture_path(self, key: ScreeningKey) -> str:
        """Where the picture of a piece of work lies, relative to the lake; nothing can be read out of it."""
        digest = sha256("\x1f".join(key).encode()).hexdigest()[:32]
        return f"explain/{digest[:2]}/{digest}.png"

    def write_picture(self, key: ScreeningKey, png: bytes) -> str:
        """Keep the picture of a piece of work; returns its path relative to the lake. Needs no lock."""
        relative = self.picture_path(key)
        write_whole(self.root / relative, png)
        return relative

    @property
    def _lock(self) -> Path:
        return self.root / "lake.lock"

    def _prepare(self) -> None:
        """Make what readers count on: the private folder, and a file with the columns of each table."""
        make_private_folder(self.identities)
        for name in SINGLE:
            if not self._file(name).exists():
                write_table(conform(name, []), self._file(name), _mode(name))
        for monthly in (self.series, self.vertebrae, self.screenings):
            monthly.prepare()

    def _file(self, table: str) -> Path:
        return (self.identities if table in PRIVATE else self.root / table) / f"{table}.parquet"

    def _upsert(self, name: str, rows: pa.Table) -> None:
        """Replace rows of equal key in a table that is one file."""
        if not len(rows):
            return
        kept = without(read_table(self._file(name), name), rows, TABLES[name].key)
        write_table(pa.concat_tables([kept, rows]), self._file(name), _mode(name))


def _mode(table: str) -> int:
    return PRIVATE_FILE if table in PRIVATE else PUBLIC_FILE


def _file_name(text: str) -> str:
    """`text` when it can be a file's name.

    Raises:
        ValueError: when it holds anything but letters, digits, dots, dashes and underscores.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", text):
        raise ValueError("an id that names a file may hold letters, digits, dots, dashes and underscores")
    return text
