"""`/perennial/reports`: the windows of each model with their decisions; below it each window's Evidently report, history and replay."""

from collections.abc import Sequence
from html import escape

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from ml import specfile
from ml.data.stores import own_store_of
from ml.errors import OperatorError
from ml.settings import Settings
from ml.state import State, ledger, replays
from ml.state.records import Decision, Window
from perennial_airflow.pages import html
from perennial_airflow.pages.login import User, can_see, may_see

router = APIRouter(prefix="/reports")
_LOOKED_BACK = 200
_HISTORY = "history"
_REPLAY = "replay"


@router.get("")
def listed(user: User) -> HTMLResponse:
    """One line a window of the models that the user may see: by model, the newest first, at most the newest 200 of each."""
    settings = Settings.from_env()
    state = State.open(settings)
    names = [name for name in specfile.model_names(settings) if can_see(name, user)]
    rows = [row for name in names for row in _rows(state, name)]
    if not rows:
        return html.own("Reports", "<p>No model is declared yet. <code>perennial new</code> makes one.</p>")
    head = "".join(f"<th{kind}>{name}</th>" for name, kind in _HEAD)
    histories = _links(names, _HISTORY)
    replayed = [name for name in names if replays.newest(state, name) is not None]
    played = f"<p>Replay: {_links(replayed, _REPLAY)}</p>" if replayed else ""
    return html.own(
        "Reports", f"<p>History: {histories}</p>{played}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


@router.get("/{model}/{window}", dependencies=[Depends(may_see)])
def report(model: str, window: str) -> HTMLResponse:
    """The report of a window, by its id; `latest` is the newest window that was measured, `history` what was seen in all of them.

    `replay` is what the newest replay of the model's history found.

    A `.html` at the end is left out: the pages lead to each other as files do.
    """
    settings, window = Settings.from_env(), window.removesuffix(".html")
    state = State.open(settings)
    if window in (_HISTORY, _REPLAY):
        return _whole(settings, model, window)
    # Only what the ledger names is opened: no part of the address becomes part of a path.
    found = _latest(state, model) if window == "latest" else _by_id(state, model, window)
    if found is None or not found.report_url:
        hint = f"{model}.monitor writes a report as soon as there are enough new rows since the champion's training."
        return html.missing("No such report", hint)
    gone = (
        f"{found.id} was measured at {found.measured_at or found.as_of:%Y-%m-%d %H:%M} UTC. Its page was removed since, as pages are "
        f"that are older than monitoring.keep_reports in model.yaml. Its numbers are kept: /perennial/reports/{model}/{_HISTORY}"
    )
    return _opened(found.report_url, gone=gone)


def _links(names: Sequence[str], page: str) -> str:
    return ", ".join(f'<a href="/perennial/reports/{escape(name)}/{page}">{escape(name)}</a>' for name in names)


def _whole(settings: Settings, model: str, page: str) -> HTMLResponse:
    """A page of the model as a whole, which has one address."""
    if model not in specfile.model_names(settings):
        return html.missing("No such model", f"{model} is not declared here.")
    hints = {
        _HISTORY: f"The next run of {model}.monitor writes it, and so does `perennial report {model}`.",
        _REPLAY: f"`perennial replay {model}` writes it, and so does each run of {model}.replay where replay.schedule is declared.",
    }
    return _opened(f"{settings.reports_url.rstrip('/')}/{model}/{page}.html", gone=hints[page], title=f"No {page} yet")


def _opened(url: str, *, gone: str, title: str = "The report is gone") -> HTMLResponse:
    try:
        files, path = own_store_of(url, variable="PERENNIAL_REPORTS_URL")
        return html.foreign(files.cat_file(path))
    except FileNotFoundError:
        return html.missing(title, gone)
    except OperatorError as error:
        return html.own("The report cannot be opened", f"<p>{escape(str(error))}</p>", status=503)


_HEAD = (("Model", ""), ("Window", ""), ("Rows", ' class="number"'), ("Decision", ""), ("Report", ""))


def _rows(state: State, model: str) -> list[str]:
    """One line a window, the newest first; one that says so where there is none, or where older ones are left out."""
    windows = ledger.recent_windows(state, model, limit=_LOOKED_BACK + 1)
    decisions = {one.window: one for one in ledger.recent_decisions(state, model, limit=_LOOKED_BACK + 1)}
    rows = [_row(window, decisions.get(window.id)) for window in windows[:_LOOKED_BACK]]
    if len(windows) > _LOOKED_BACK:
        older = f"older windows are not listed, only the newest {_LOOKED_BACK}; their reports open at /perennial/reports/{model}/WINDOW"
        return [*rows, _note(model, older)]
    return rows or [_note(model, "no report yet")]


def _row(window: Window, decision: Decision | None) -> str:
    verdict = "–" if decision is None else ("retrain" if decision.retrain else "no")
    reasons = "<br>".join(escape(reason) for reason in (decision.reasons if decision else ()))
    at = f"{window.measured_at or window.as_of:%Y-%m-%d %H:%M} UTC"
    # Absolute: as `reports` has no slash at its end, a relative address would begin one level higher.
    address = f"/perennial/reports/{escape(window.model)}/{escape(window.id)}"
    # One that was given up has no report, and must not go unseen among those that have.
    none = "given up" if decision is not None else "not measured yet"
    link = f'<a href="{address}">open</a>' if window.measured_at is not None else f'<span class="muted">{none}</span>'
    return (
        f"<tr><td>{escape(window.model)}</td><td>{window.number}<br><span class='muted'>{at}</span></td>"
        f'<td class="number">{window.rows:,}</td><td>{verdict}<br><span class="muted">{reasons}</span></td>'
        f"<td>{link}</td></tr>"
    )


def _note(model: str, text: str) -> str:
    return f'<tr><td>{escape(model)}</td><td colspan="4" class="muted">{escape(text)}</td></tr>'


def _latest(state: State, model: str) -> Window | None:
    windows = ledger.recent_windows(state, model, limit=_LOOKED_BACK)
    return next((one for one in windows if one.measured_at is not None), None)


def _by_id(state: State, model: str, window: str) -> Window | None:
    found = ledger.find_window(state, window)
    return found if found is not None and found.model == model else None
