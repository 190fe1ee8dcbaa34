"""Which code made a result, and how it was called."""

import subprocess
import sys
from pathlib import Path


def commit() -> str | None:
    """The git commit of the code that runs, "+" behind it where files were changed since; None outside a checkout."""
    package = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(package), *words], capture_output=True, text=True, check=True).stdout

    try:
        # An installed copy may lie within somebody else's checkout: its commit would say nothing about this code.
        git("ls-files", "--error-unmatch", "errors.py")
        return git("rev-parse", "HEAD").strip() + (
            "+" if git("status", "--porcelain", "-uno", "--", ".").strip() else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def invocation() -> str:
    """How this process was called; of an absolute path only the last part, since a result says nothing of a machine."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv]
    return " ".join(["python", *words])
