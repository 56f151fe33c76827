"""What is printed of an export."""

from typing import TYPE_CHECKING

from ml.show.terminal import console
from ml.wording import counted

if TYPE_CHECKING:
    from ml.jobs.site.exporting import Exported


def exported(value: "Exported") -> None:
    """How many pages were written, and where to begin reading."""
    console.print(
        f"{counted(len(value.written), 'page')} written ({value.bytes / 1e6:.1f} MB), {value.unchanged} unchanged, "
        f"{len(value.removed)} removed; models: {', '.join(value.models) or 'none'}"
    )
    for model, why in value.skipped.items():
        console.print(f"left out: {model}: {why}")
    console.print(f"open {value.folder}/index.html, or put the folder on any web server")
