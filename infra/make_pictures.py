"""Makes the pictures of README from a demo lake: `python infra/make_pictures.py demo/lake`."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from rich.console import Console, RenderableType

from flows.show import tally_table
from flows.tally import Tally, count
from tasks.outcomes import Outcome, Reason
from tasks.publish.lake import Lake
from tasks.publish.query import run_sql, worklist
from tasks.publish.show import as_table, worklist_table

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH = 150
WORKLIST_ROWS = 12


def main(lake: Lake) -> None:
    """Write every picture that README shows."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    listed = worklist(lake)
    _svg("worklist", worklist_table(listed.slice(0, WORKLIST_ROWS)))
    _svg("tally", tally_table(_tally(lake)))
    _svg("refusals", as_table(run_sql(lake, "FROM refusals")))
    first = next(path for path in listed["explain_path"].to_pylist() if path)
    shutil.copyfile(lake.root / first, IMAGES / "picture.png")


def _svg(name: str, content: RenderableType) -> None:
    console = Console(record=True, width=WIDTH, file=Path("/dev/null").open("w"))  # noqa: SIM115 - ends with us
    console.print(content)
    drawn = console.export_svg(title="osteoscreen")
    # Fonts would be fetched from elsewhere; the reader's own will do.
    (IMAGES / f"{name}.svg").write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL))


def _tally(lake: Lake) -> Tally:
    rows = run_sql(lake, "SELECT outcome, reason FROM screenings_latest").to_pylist()
    outcomes, reasons = count(
        (Outcome(row["outcome"]), Reason(row["reason"]) if row["reason"] else None) for row in rows
    )
    return Tally(found=len(rows), outcomes=outcomes, reasons=reasons)


if __name__ == "__main__":
    main(Lake(Path(sys.argv[1])))
