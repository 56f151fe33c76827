"""Each page by its name: one mechanism behind Airflow's login and in a static folder.

The pages lead to each other as files do: `<model>/index.html`, `history.html`, `replay.html`, `latest.html`, `<window>.html` with
`<window>.evidently.html` in its frame, `card_<version>.html`, `data-docs/index.html` and `data-docs/<batch>.html`.
"""

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ml.data.stores import own_store_of
from ml.errors import PerennialError
from ml.jobs.report import PERIOD, gather, gathered, period_of
from ml.jobs.site import gathering
from ml.monitoring.pages import rendered, standing
from ml.monitoring.pages.frame import alone, framed
from ml.settings import Settings
from ml.state import State, ledger
from ml.state.records import Window
from ml.wording import moment

log = logging.getLogger(__name__)

INDEX, HISTORY, REPLAY, LATEST, DOCS = "index", "history", "replay", "latest", "data-docs"
EVIDENTLY = ".evidently"
_CARD = re.compile(r"card_([1-9][0-9]{0,8})")
_BATCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")
_LOOKED_BACK = 200


@dataclass(frozen=True, slots=True)
class Document:
    """A page as bytes. One that `is_foreign` was made from data by others, and runs scripts that are not ours."""

    content: bytes
    is_foreign: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such page: what is missing, and why or how to get it."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Where pages come from, and which of them may be led to.

    `after`: what happened before is not shown; `windows`: only these have pages, None: all.
    """

    settings: Settings
    state: State
    at: datetime
    after: datetime = gathering.BEGINNING
    windows: Collection[str] | None = None

    @classmethod
    def open(cls, settings: Settings) -> "Shelf":
        """Everything, as of now."""
        return cls(settings=settings, state=State.open(settings).reader, at=datetime.now(UTC))


def index(shelf: Shelf, models: Sequence[str]) -> Document:
    """The page of these models."""
    return _own(rendered.index(gathering.index_rows(shelf.state, models, listed=shelf.windows)))


def find(shelf: Shelf, model: str, name: str) -> Document | Missing:
    """A page in a model's folder by its name, with or without `.html`.

    Only what the state database and the project name is opened: no part of the name becomes a part of a path unchecked.

    Raises:
        OperatorError: A store cannot be opened; `StoreUnavailable` if it did not answer.
        SpecError: The model's declaration is broken, and none was used before.
    """
    name = name.removesuffix(".html")
    if not gathering.is_declared(shelf.settings, model):
        return Missing("No such model", f"{model} is not declared here.")
    if name == INDEX:
        return _own(rendered.model(gathering.model_facts(shelf.settings, shelf.state, model, after=shelf.after, at=shelf.at)))
    if name == HISTORY:
        return _history(shelf, model)
    if name == REPLAY:
        return _replay(shelf, model)
    if found := _CARD.fullmatch(name):
        return _card(shelf, model, int(found[1]))
    if name.startswith(f"{DOCS}/"):
        return _docs(shelf, model, name.removeprefix(f"{DOCS}/"))
    return _of_window(shelf, model, name)


def latest(state: State, model: str) -> Window | None:
    """The newest window that was measured."""
    windows = ledger.recent_windows(state, model, limit=_LOOKED_BACK)
    return next((one for one in windows if one.measured_at is not None), None)


def _history(shelf: Shelf, model: str) -> Document:
    from ml.monitoring.history.page import render

    spec = gathering.spec_of(shelf.settings, shelf.state, model)
    if shelf.after > gathering.BEGINNING:
        return _own(render(gathered(shelf.state, spec, after=shelf.after, until=shelf.at)))
    return _own(render(gather(shelf.state, spec, since=period_of(PERIOD), until=shelf.at)))


def _replay(shelf: Shelf, model: str) -> Document | Missing:
    hint = f"`perennial replay {model}` writes it, and so does each run of {model}.replay where replay.schedule is declared."
    found = _stored(f"{shelf.settings.reports_url.rstrip('/')}/{model}/{REPLAY}.html")
    if found is None:
        return Missing("No replay yet", hint)
    return _own(framed(found, ways=rendered.of_page(model, "Replay")))


def _card(shelf: Shelf, model: str, number: int) -> Document | Missing:
    facts = gathering.version(shelf.state, model, number)
    if facts is None:
        return Missing("No such version", f"`perennial status {model}` says which versions there are.")
    found = _kept_card(shelf, model, number)
    if found is None:
        return Missing("No model card", f"Version {number} was trained without one; `perennial train {model}` makes a version with a card.")
    ways = rendered.of_page(model, f"Version {number}")
    return _own(framed(found, ways=ways, meaning=standing.of_version(facts)))


def _kept_card(shelf: Shelf, model: str, number: int) -> str | None:
    """The card from MLflow; a copy is kept beside the reports, because a card never changes and MLflow may be slow."""
    from ml.monitoring.report import save, url_of

    name = f"card_{number}"
    if (kept := _stored(url_of(shelf.settings, model, name))) is not None:
        return kept
    from ml.registry import files
    from ml.state import trainings
    from ml.training import cards

    made = trainings.of_version(shelf.state, model, number)
    if made is None or made.mlflow_run is None:
        return None
    found = files.load(shelf.settings, model, mlflow_run=made.mlflow_run, name=cards.HTML)
    if found is None:
        return None
    try:
        save(shelf.settings, model=model, window=name, page=found.decode())
    except (PerennialError, OSError) as error:
        log.warning("the card was not kept model=%s version=%d error=%r", model, number, str(error))
    return found.decode()


def _docs(shelf: Shelf, model: str, name: str) -> Document | Missing:
    if name == INDEX:
        from ml.state import batches

        quarantined = batches.count(shelf.state, model, status="quarantined")
        listed = gathering.documented(shelf.state, model, after=shelf.after, limit=gathering.MOST_DOCS + 1)
        shown, is_cut = listed[: gathering.MOST_DOCS], len(listed) > gathering.MOST_DOCS
        return _own(rendered.deliveries(model, shown, quarantined=quarantined, is_cut=is_cut))
    hint = f"`perennial quarantine list {model}` names the batches that were not accepted."
    if not _BATCH.fullmatch(name):
        return Missing("No such page", hint)
    folder = shelf.settings.home / "data_docs" / model
    path = folder / f"{name}.html"
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        return Missing("No such page", hint)
    return _own(framed(path.read_text(encoding="utf-8"), ways=rendered.of_delivery(model, name)))


def _of_window(shelf: Shelf, model: str, name: str) -> Document | Missing:
    is_plots = name.endswith(EVIDENTLY)
    window = latest(shelf.state, model) if name == LATEST else ledger.find_window(shelf.state, name.removesuffix(EVIDENTLY))
    if window is None or window.model != model:
        hint = f"{model}.monitor writes a report as soon as there are enough new rows since the champion's training."
        return Missing("No such report", hint)
    if is_plots:
        return _plots(window)
    plots = window.report_url is not None and _is_stored(window.report_url)
    return _own(rendered.window(gathering.window_facts(shelf.state, window, plots=plots, listed=shelf.windows)))


def _plots(window: Window) -> Document | Missing:
    found = _stored(window.report_url) if window.report_url else None
    if found is None:
        gone = (
            f"{window.id} was measured at {moment(window.measured_at or window.as_of)}. Its plots were removed since, as those "
            f"are that are older than monitoring.keep_reports in model.yaml. Its numbers are kept."
        )
        return Missing("The plots are gone", gone)
    return Document(alone(found, back=f"{window.id}.html").encode(), is_foreign=True)


def _is_stored(url: str) -> bool:
    files, path = own_store_of(url, variable="PERENNIAL_REPORTS_URL")
    return bool(files.exists(path))


def _stored(url: str) -> str | None:
    files, path = own_store_of(url, variable="PERENNIAL_REPORTS_URL")
    try:
        content: bytes = files.cat_file(path)
    except FileNotFoundError:
        return None
    return content.decode(errors="replace")


def _own(page: str) -> Document:
    return Document(page.encode())
