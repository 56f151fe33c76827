"""What the command line prints. Values that came with data are printed as plain text, never as markup."""

from ml.show.deliveries import batch, check, ingest, new, quarantine_list, quarantined
from ml.show.replays import recorded, replay
from ml.show.sites import exported
from ml.show.terminal import bar, console, facts, progress, result, user
from ml.show.versions import addresses, champion, reproduce, status, train
from ml.show.watching import monitor, report

__all__ = [
    "addresses",
    "bar",
    "batch",
    "champion",
    "check",
    "console",
    "exported",
    "facts",
    "ingest",
    "monitor",
    "new",
    "progress",
    "quarantine_list",
    "quarantined",
    "recorded",
    "replay",
    "report",
    "reproduce",
    "result",
    "status",
    "train",
    "user",
]
