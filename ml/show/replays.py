"""What is printed of replays."""

from typing import TYPE_CHECKING

from rich.text import Text

from ml.show.terminal import console, table_of, whole
from ml.wording import counted

if TYPE_CHECKING:
    from ml.jobs.replaying.recorded import Recorded
    from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, ReplayFacts

_HEAD = ("policy", "loss a window", "new champions", "fits", "loss and cost", "beyond never", "beyond tuned calendar")


def replay(value: "ReplayFacts") -> None:
    """What each policy cost on the judged windows, then what to do."""
    from ml.monitoring.replayed import words

    console.print(f"{value.model}, {value.metric}: {words.period(value)}")
    chosen = value.chosen
    costs = f"at a cost of {chosen.cost:g} a retraining (a fit {chosen.train:g}, a promotion {chosen.promote:g})"
    console.print(f"judged windows only, {costs}; beyond: 95 % interval of the difference, below 0 is cheaper")
    played = _compared(chosen)
    beside: list[str] = []
    table = table_of(*_HEAD, right=_HEAD[1:5])
    for one, mark, alike in words.rows(chosen, played):
        table.add_row(
            Text(one.name),
            *(f"{one.mean_loss:.4f}", str(one.retrainings), str(one.fits), f"{one.total:.3f}"),
            *(_between(one.beyond_never), _between(one.beyond_calendar)),
        )
        if mark or alike:
            beside.append(one.name + (f" ({mark})" if mark else "") + (f"; same as it: {'; '.join(alike)}" if alike else ""))
    whole(table)
    for line in beside:
        console.print(f"  {line}")
    console.print(words.LEGEND)
    for name, meant in words.legend(played):
        console.print(f"  {name}: {meant}")
    robust = table_of(
        "cost", "recommended", "total", "tuned calendar", "total", "never", "oracle", right=("cost", "total", "never", "oracle")
    )
    for cell in sorted(value.cells, key=lambda one: one.cost):
        ours, calendar = cell.recommended, cell.tuned_calendar
        totals = (f"{calendar.total:.3f}", f"{cell.never.total:.3f}", f"{cell.oracle.total:.3f}")
        name = ours.name if cell.is_told else "too short to tell"
        robust.add_row(f"{cell.cost:g}", Text(name), f"{ours.total:.3f}", calendar.name, *totals)
    whole(robust)
    if (length := value.length) is not None:
        table = table_of("learns from", "tuned total", "a new model's loss, judged", right=("tuned total", "a new model's loss, judged"))
        for name, total in length.tuned_totals.items():
            table.add_row(name + (" *" if name == length.name else ""), f"{total:.3f}", f"{length.fresh_means[name]:.4f}")
        console.print(table)
    for note in words.listed(value):
        console.print(f"note: {note}")
    for many, what, treatment in words.treated(value):
        console.print(f"note: {many}: {what} ({treatment})")
    console.print(value.recommendation)
    if value.html is not None:
        console.print(f"page: {value.html}")


def _compared(cell: "CostFacts") -> "list[PlayedPolicy]":
    """The policies that were chosen, one of each family, and what they are held against; of the calendars those that tell something."""
    told = (cell.recommended, cell.never, cell.always, cell.tuned_calendar, cell.hindsight_calendar, cell.oracle)
    return [*told, *(one for one in cell.policies if one.family != "calendar")]


def _between(found: "tuple[float | None, float | None]") -> str:
    """An interval with its signs."""
    low, high = ("…" if one is None else f"{one:+.2f}" for one in found)
    return f"{low} to {high}"


def recorded(value: "Recorded") -> None:
    """Each decision that is not made again, and how many are."""
    for one in value.decisions:
        if one.state != "same":
            console.print(f"{one.decision}: {one.state}")
            for difference in one.differences:
                console.print(f"  {difference}")
    console.print(f"{value.model}: {value.same} of {counted(len(value.decisions), 'decision')} made again, {value.differing} otherwise")
