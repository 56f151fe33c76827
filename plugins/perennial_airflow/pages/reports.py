"""`/perennial/reports`: the models with their latest looks; below it, the Evidently report of each window."""

from html import escape

import fsspec
from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from ml import specfile
from ml.settings import Settings
from ml.state import State, ledger
from ml.state.records import Window
from perennial_airflow.pages import html
from perennial_airflow.pages.login import User, can_see, may_see

router = APIRouter(prefix="/reports")
_LOOKED_BACK = 200


@router.get("")
def listed(user: User) -> HTMLResponse:
    """One line a model that the user may see."""
    settings = Settings.from_env()
    state = State.open(settings)
    rows = [_row(state, name) for name in specfile.model_names(settings) if can_see(name, user)]
    if not rows:
        return html.own("Reports", "<p>No model is declared yet. <code>perennial new</code> makes one.</p>")
    head = "".join(f"<th{kind}>{name}</th>" for name, kind in _HEAD)
    return html.own("Reports", f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


@router.get("/{model}/{window}", dependencies=[Depends(may_see)])
def report(model: str, window: str) -> HTMLResponse:
    """The report of a window, by its id; `latest` is the newest window that was measured."""
    state = State.open(Settings.from_env())
    # Only what the ledger names is opened: no part of the address becomes part of a path.
    found = _latest(state, model) if window == "latest" else _by_id(state, model, window)
    if found is None or not found.report_url:
        hint = f"{model}.monitor writes a report as soon as there are enough new rows since the champion's training."
        return html.missing("No such report", hint)
    try:
        with fsspec.open(found.report_url, "rb") as file:
            return html.foreign(file.read())
    except FileNotFoundError:
        return html.missing("The report is gone", f"{found.id} was measured, but its file was deleted.")


_HEAD = (("Model", ""), ("Last window", ""), ("Rows", ' class="number"'), ("Decision", ""), ("Report", ""))


def _row(state: State, model: str) -> str:
    window, newest = _latest(state, model), ledger.last_window(state, model)
    # A window that was given up has no report, and must not go unseen behind an older one that has.
    lost = ledger.decision_for(state, newest.id) if newest is not None and newest.measured_at is None else None
    given_up = f"Window {newest.number}: {escape('; '.join(lost.reasons))}" if newest is not None and lost is not None else ""
    if window is None or window.measured_at is None:
        return f'<tr><td>{escape(model)}</td><td colspan="4" class="muted">{given_up or "no report yet"}</td></tr>'
    decision = ledger.decision_for(state, window.id)
    verdict = "–" if decision is None else ("retrain" if decision.retrain else "no")
    reasons = "<br>".join([*([given_up] if given_up else []), *(escape(reason) for reason in (decision.reasons if decision else ()))])
    # Absolute: as `reports` has no slash at its end, a relative address would begin one level higher.
    address = f"/perennial/reports/{escape(model)}/{escape(window.id)}"
    return (
        f"<tr><td>{escape(model)}</td><td>{window.number}<br><span class='muted'>{window.measured_at:%Y-%m-%d %H:%M} UTC</span></td>"
        f'<td class="number">{window.rows:,}</td><td>{verdict}<br><span class="muted">{reasons}</span></td>'
        f'<td><a href="{address}">open</a></td></tr>'
    )


def _latest(state: State, model: str) -> Window | None:
    windows = ledger.recent_windows(state, model, limit=_LOOKED_BACK)
    return next((one for one in windows if one.measured_at is not None), None)


def _by_id(state: State, model: str, window: str) -> Window | None:
    found = ledger.find_window(state, window)
    return found if found is not None and found.model == model else None
