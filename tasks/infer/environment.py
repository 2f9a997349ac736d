"""Where the parts of the embedded server lie: its virtual environment, the wheel inside it, its interpreter.

The wheel carries the server and, for each CPython, a stub that runs Python models. The stub needs that
CPython as a shared library, which Debian keeps in a package of its own; `infra/triton/install.py` puts it
into the environment where the interpreter has none.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.outcomes import ConfigurationError
from tasks.settings import Inference

PROJECT = Path(__file__).resolve().parents[2]
BACKENDS = PROJECT / "infra" / "triton" / "backends"
STUB = "triton_python_backend_stub"
BUNDLED_PYTHON = "3.13"
"""The one CPython whose shared library is inside the wheel (nvidia-pytriton 0.7.0, nvidia_pytriton.libs)."""
PASSED_ON = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""Variables that the server may see; the rest of the environment, secrets among it, is not its business."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The embedded server as it is installed; nothing here is ever written to.

    Attributes:
        prefix: the virtual environment.
        packages: its site-packages.
        python: its CPython, such as "3.11".
        library: folder of `libpython`, None where the wheel or the system provides it.
    """

    prefix: Path
    packages: Path
    python: str
    library: Path | None

    @property
    def server(self) -> Path:
        """The tritonserver binary."""
        return self.packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    def copy_backends(self, folder: Path) -> None:
        """Lay out the backends: the wheel's Python backend with its stub, and those of this project."""
        wheel = self.packages / "pytriton" / "tritonserver"
        shutil.copytree(wheel / "backends" / "python", folder / "python")
        shutil.copy2(wheel / "python_backend_stubs" / self.python / STUB, folder / "python")
        for backend in BACKENDS.iterdir():
            shutil.copytree(backend, folder / backend.name, ignore=shutil.ignore_patterns("__pycache__"))

    def variables(self, workspace: Path) -> dict[str, str]:
        """The environment variables of the server process, links to libraries being made in `workspace`."""
        libraries = [self.packages / "nvidia_pytriton.libs"]
        if self.library is not None:
            # A link to this one file: its folder may hold other libraries that must not come first.
            only = workspace / "lib"
            only.mkdir()
            (only / _library_name(self.python)).symlink_to(self.library / _library_name(self.python))
            libraries.append(only)
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return kept | {
            "PATH": f"{self.prefix / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "VIRTUAL_ENV": str(self.prefix),
            "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


def find_environment(settings: Inference) -> Environment:
    """The environment that the settings name, checked.

    Raises:
        ConfigurationError: when it, or a part of it, is not there; says what to do.
    """
    prefix = in_project(settings.triton_environment)
    for packages in sorted(prefix.glob("lib/python3.*/site-packages")):
        version = packages.parent.name.removeprefix("python")
        wheel = packages / "pytriton" / "tritonserver"
        if (wheel / "bin" / "tritonserver").is_file():
            if not (wheel / "python_backend_stubs" / version / STUB).is_file():
                raise ConfigurationError(
                    f"The Triton wheel has no stub for CPython {version}: run 'make setup' with another."
                )
            return Environment(prefix, packages, version, _find_library(prefix, version))
    raise ConfigurationError(
        f"No embedded Triton server in {settings.triton_environment}: run 'make setup', or set triton_url."
    )


def in_project(path: Path) -> Path:
    """A path as it stands, or where a relative one is not there, within the project."""
    return path.absolute() if path.is_absolute() or path.exists() else PROJECT / path


def _library_name(python: str) -> str:
    return f"libpython{python}.so.1.0"


def _find_library(prefix: Path, python: str) -> Path | None:
    if python == BUNDLED_PYTHON:
        return None
    places = [prefix / "lib", _home(prefix).parent / "lib"]
    places += [
        Path(folder) for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/local/lib", "/usr/lib64", "/usr/lib")
    ]
    for place in places:
        if (place / _library_name(python)).is_file():
            return place
    raise ConfigurationError(
        f"{_library_name(python)} is missing, which the embedded Triton server needs: run 'make setup', "
        f"or install the Debian package libpython{python}."
    )


def _home(prefix: Path) -> Path:
    """The `bin` folder of the Python that the virtual environment was made from."""
    settings = prefix / "pyvenv.cfg"
    for line in settings.read_text().splitlines() if settings.is_file() else ():
        key, _, value = line.partition("=")
        if key.strip() == "home":
            return Path(value.strip())
    raise ConfigurationError(f"{prefix.name} is not a virtual environment: run 'make setup'.")
