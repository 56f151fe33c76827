"""The page of a replay: what to do, and the numbers that say so."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ml.monitoring import page
from ml.monitoring.history.words import number
from ml.monitoring.replayed.facts import CostFacts, ReplayFacts
from ml.monitoring.replayed.figures import calendars, figures, others, price
from ml.monitoring.replayed.words import LEGEND, Row, between, legend, listed, meaning, period, rows, treated
from ml.wording import moment

_TUNED = "Policies were chosen on the tuned windows, so no policy is shown on them: it would look better than it is."
_TITLES = {
    "frontier": (
        "Cost against retrainings",
        "Each mark is a policy on the judged windows: what it lost there, with its retrainings paid. Nothing is cheaper with "
        "as few new champions than the frontier. Best calendar and oracle (the best moments of all) are known only afterwards. The menu "
        "shows another cost of a retraining.",
    ),
    "losses": ("Loss over time", f"What the champion lost in each window under the recommended policy, and what it would have. {_TUNED}"),
    "robustness": (
        "If a retraining cost more or less",
        "What would be recommended at each cost, and what the policy that is recommended now would cost there if it were kept.",
    ),
}
_NAMES = (
    "Policy",
    "Mean loss",
    "New champions",
    "Fits",
    "Loss and cost",
    "A window",
    "Beyond never",
    "Beyond tuned calendar",
    "When chosen",
)


def render(facts: ReplayFacts) -> str:
    """The page as HTML."""
    charts = figures(facts)
    return page.whole(f"{facts.model}: replay", _body(facts, charts), charts)


def _body(facts: ReplayFacts, charts: dict[str, Any]) -> str:
    played = f"Replay of {moment(facts.at)}, dataset version {facts.dataset_version}. {period(facts)}"
    parts = [
        f'<h1>{escape(facts.model)}</h1><p class="muted">{escape(played)}</p>',
        page.meaning(" ".join(meaning(facts))),
        *(_section(name) for name in charts),
        _policies(facts.chosen),
        _costs(facts),
        _lengths(facts),
        _treated(facts),
        f"<h2>To know</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in [_TUNED, *listed(facts)])}</ul>",
        _others(facts),
    ]
    return "".join(parts)


def _section(name: str) -> str:
    title, text = _TITLES[name]
    return f'<h2>{title}</h2><p class="muted">{escape(text)}</p><div class="chart" id="{name}"></div>'


def _policies(cell: CostFacts) -> str:
    told = (
        f"At a cost of {price(cell.cost)} a retraining (a fit {price(cell.train)}, a promotion {price(cell.promote)}), judged windows "
        "only; the cheapest first, policies that did exactly the same in one line. Beyond: 95 % interval of the difference, below 0 is "
        "cheaper. When chosen: loss and cost on the windows that policies were chosen on."
    )
    played = [*calendars(cell), *others(cell), cell.recommended, cell.oracle]
    meant = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in legend(played))
    return page.table("Policies", told, _NAMES, [_row(cell, one) for one in rows(cell, played)]) + f"<p>{LEGEND}</p><ul>{meant}</ul>"


def _others(facts: ReplayFacts) -> str:
    """The same table at each other cost, folded."""
    found = [one for one in sorted(facts.cells, key=lambda cell: cell.cost) if one.cost != facts.chosen_cost]
    folded = "".join(f"<details><summary>At a cost of {price(one.cost)}</summary>{_policies(one)}</details>" for one in found)
    return f"<h2>The other costs</h2>{folded}" if folded else ""


def _row(cell: CostFacts, row: Row) -> str:
    one = row.policy
    beside = [*([row.mark] if row.mark else []), *([f"same as it: {'; '.join(row.same)}"] if row.same else [])]
    said = escape(one.name) + (f'<br><span class="muted">{page.lines(beside)}</span>' if beside else "")
    numbers = (
        number(one.mean_loss),
        str(one.retrainings),
        str(one.fits),
        f"{one.total:.3f}",
        between(one.mean_interval, digits=4),
        between(one.beyond_never),
        between(one.beyond_calendar),
        "–" if one.tuned_total is None else f"{one.tuned_total:.3f}",
    )
    strong = ' style="background:#eef4fa"' if one.name == cell.recommended.name and cell.is_told else ""
    return f"<tr{strong}><td>{said}</td>" + "".join(f'<td class="number">{text}</td>' for text in numbers) + "</tr>"


def _costs(facts: ReplayFacts) -> str:
    rows = []
    held = facts.chosen.recommended
    for cell in sorted(facts.cells, key=lambda one: one.cost):
        totals: Sequence[float] = (
            cell.recommended.total,
            held.total_at(train=cell.train, promote=cell.promote),
            cell.tuned_calendar.total,
            cell.hindsight_calendar.total,
            cell.never.total,
            cell.oracle.total,
        )
        name = escape(cell.recommended.name) + ("" if cell.is_told else '<br><span class="muted">too short to tell</span>')
        chosen = " (chosen)" if cell.cost == facts.chosen_cost else ""
        values = "".join(f'<td class="number">{one:.3f}</td>' for one in totals)
        rows.append(f'<tr><td class="number">{price(cell.cost)}{chosen}</td><td>{name}</td>{values}</tr>')
    names = ("Cost", "Recommended", "Its total", "This policy kept", "Tuned calendar", "Best calendar", "Never", "Oracle")
    return page.table("At each cost", "Loss and cost of all judged windows.", names, rows)


def _lengths(facts: ReplayFacts) -> str:
    found = facts.length
    if found is None:
        return ""
    marks = {found.declared: "as replayed", found.name: "told to be better" if found.name != found.declared else "as replayed"}
    rows = [
        f'<tr><td>{escape(name)}<br><span class="muted">{marks.get(name, "")}</span></td><td class="number">{total:.3f}</td>'
        f'<td class="number">{number(found.fresh_means[name])}</td></tr>'
        for name, total in found.tuned_totals.items()
    ]
    names = ("A model learns from", "Best policy when chosen", "New models' loss, judged")
    return page.table("How much history to learn from", "Each length has models of its own.", names, rows)


def _treated(facts: ReplayFacts) -> str:
    rows = [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in one)}</tr>" for one in treated(facts)]
    if not rows:
        return '<h2>Treated otherwise</h2><p class="muted">No window was treated otherwise than the rest.</p>'
    return page.table("Treated otherwise", "Windows that differ from the rest.", ("How many", "What", "Treatment"), rows)
