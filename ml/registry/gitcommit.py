"""The git commit of the project's code, for lineage."""

import subprocess
from pathlib import Path


def of_folder(folder: Path) -> str | None:
    """Forty hex digits, with `-dirty` where tracked files were changed; None outside a repository or without git."""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
