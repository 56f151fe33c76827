"""The quarantine: what was delivered, unchanged, beside a table of every failing row and what was wrong with it."""

import json
import re
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd

from ml.data.stores import own_store_of
from ml.errors import DataOwnerError
from ml.settings import Settings


@dataclass(frozen=True, slots=True)
class Kept:
    """A quarantined batch. `kind` is the format of the original where its name does not tell it."""

    batch: str
    url: str
    original: str
    failures: str
    source: str
    name: str
    kind: str | None
    rows: int | None
    failing_rows: int
    reasons: list[str]
    arrived_at: str
    warnings: list[str] = field(default_factory=list)


def folder(settings: Settings, model: str, batch: str) -> str:
    """The URL below which a batch is kept: `<quarantine_url>/<model>/<batch>`."""
    return f"{settings.quarantine_url.rstrip('/')}/{model}/{batch}"


def keep(
    settings: Settings,
    model: str,
    batch: str,
    *,
    original: Path,
    failures: pd.DataFrame,
    arrived_at: datetime,
    facts: dict[str, Any],
) -> Kept:
    """Keeps the delivery's own bytes, `failures.parquet` with every failing row, and `batch.json`. Idempotent: same batch, same place.

    Args:
        settings: Gives the place.
        model: The model's name.
        batch: The batch's id.
        original: The local copy of the delivery.
        failures: Columns row, column, expectation, value, reason: one line for each failing row and column.
        arrived_at: When the delivery was first seen.
        facts: `source`, `name`, `kind`, `rows`, `failing_rows`, `reasons` and `warnings`.
    """
    url = folder(settings, model, batch)
    kept = Kept(
        batch=batch,
        url=url,
        original=f"{url}/original/{_safe(str(facts['name']))}",
        failures=f"{url}/failures.parquet",
        arrived_at=arrived_at.isoformat(),
        **facts,
    )
    fs, _ = own_store_of(url, variable="PERENNIAL_QUARANTINE_URL")
    fs.makedirs(f"{url}/original", exist_ok=True)
    with original.open("rb") as source, fsspec.open(kept.original, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    with fsspec.open(kept.failures, "wb") as target:
        failures.to_parquet(target, index=False)
    content = {name: getattr(kept, name) for name in kept.__slots__}
    with fsspec.open(f"{url}/batch.json", "wb") as target:  # last: what has it is whole
        target.write(json.dumps(content, indent=2, ensure_ascii=False).encode())
    return kept


def find(settings: Settings, model: str, batch: str) -> Kept:
    """What is kept of a batch; `DataOwnerError` if it is not in quarantine."""
    try:
        with fsspec.open(f"{folder(settings, model, batch)}/batch.json", "rb") as source:
            return Kept(**json.loads(source.read()))
    except FileNotFoundError as error:
        raise DataOwnerError(
            f"no batch {batch!r} is in the quarantine of {model}; `perennial quarantine list {model}` shows them"
        ) from error


def failures(kept: Kept) -> pd.DataFrame:
    """Every failing row of a quarantined batch: row, column, expectation, value, reason."""
    with fsspec.open(kept.failures, "rb") as source:
        return pd.read_parquet(source)


def _safe(name: str) -> str:
    """The delivery's file name without anything that could lead elsewhere."""
    return re.sub(r"[^\w.\-]", "_", name).lstrip(".")[-120:] or "delivery"
