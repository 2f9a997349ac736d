"""What a screen shows, as text."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def printed(screen: RenderableType) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(screen)
    return out.getvalue()
