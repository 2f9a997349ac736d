"""Makes the environment of the embedded Triton server: `python3 infra/triton/install.py .venv-triton`.

Standard library only. Nothing is installed into the system: where the interpreter comes without its shared
library, as Debian's and Ubuntu's do, the one file is taken out of the Debian package and laid into the
environment.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"libpython{VERSION}.so.1.0"
PACKAGE = f"libpython{VERSION}"
BUNDLED = "3.13"  # the one CPython whose shared library the wheel brings along
SYSTEM_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/local/lib", "/usr/lib64", "/usr/lib")


def main(arguments: list[str]) -> int:
    """Create or complete the environment that the first argument names."""
    if len(arguments) != 1:
        sys.stderr.write("usage: install.py FOLDER\n")
        return 2
    environment = Path(arguments[0])
    python = environment / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", str(environment))
    # --no-deps: what the wheel declares is for its own Python package, see the lock file.
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    _run(*pip, "--requirement", str(LOCK))
    if VERSION != BUNDLED and not _has_library(environment):
        _take_library_from_debian(environment / "lib")
    return 0


def _has_library(environment: Path) -> bool:
    places = [environment / "lib", Path(str(sysconfig.get_config_var("LIBDIR"))), *map(Path, SYSTEM_FOLDERS)]
    return any((place / LIBRARY).is_file() for place in places)


def _take_library_from_debian(target: Path) -> None:
    """Download the Debian package as an ordinary user, and copy its one library; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            try:
                _quietly("apt-get", "download", PACKAGE, folder=folder)
            except subprocess.CalledProcessError:
                # No package lists on this machine, as in a slim container: fetch them, for this once.
                own = [f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache"]
                for name in ("lists/partial", "cache/archives/partial"):
                    Path(folder, name).mkdir(parents=True)
                _quietly("apt-get", *own, "update", folder=folder)
                _quietly("apt-get", *own, "download", PACKAGE, folder=folder)
            (package,) = Path(folder).glob("*.deb")
            _quietly("dpkg-deb", "--extract", str(package), "content", folder=folder)
            (library,) = (path for path in Path(folder, "content").rglob(LIBRARY) if path.is_file())
        except (OSError, subprocess.CalledProcessError, ValueError):
            sys.exit(
                f"The embedded Triton server needs {LIBRARY}, which could not be fetched. On Debian: "
                f"apt-get install {PACKAGE}"
            )
        (target / LIBRARY).write_bytes(library.read_bytes())


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _quietly(*command: str, folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
