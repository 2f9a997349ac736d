"""Says in one sentence what is wrong with this Python, before an installation fails for it."""

import importlib.util
import sys

if not ((3, 11) <= sys.version_info[:2] <= (3, 13)):
    sys.exit(
        f"osteoscreen needs Python 3.11 to 3.13; this is {sys.version.split()[0]}. "
        "Name another with: make setup PYTHON=python3.12"
    )
if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
    sys.exit("Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv")
