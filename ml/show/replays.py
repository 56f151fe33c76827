"""What is printed of replays."""

from typing import TYPE_CHECKING

from rich.text import Text

from ml.show.terminal import console, table_of, whole
from ml.wording import counted

if TYPE_CHECKING:
    from ml.jobs.replaying.recorded import Recorded
    from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, ReplayFacts


def replay(value: "ReplayFacts") -> None:
    """What each policy cost on the judged windows, then what to do."""
    counts = f"{value.windows} windows, {value.tuned_on} tuned on, {value.judged_on} judged on"
    console.print(f"{value.model}: {counts}; {value.metric}")
    chosen = value.chosen
    console.print(
        f"at a cost of {chosen.cost:g} a retraining (a fit {chosen.train:g}, a promotion {chosen.promote:g}), judged windows only:"
    )
    table = table_of("policy", "loss", "new", "fits", "total", "beyond never", "beyond calendar", right=("loss", "new", "fits", "total"))
    for name, one in sorted(_compared(chosen), key=lambda item: item[1].total):
        shown = (f"{one.mean_loss:.4f}", str(one.retrainings), str(one.fits), f"{one.total:.3f}")
        table.add_row(Text(name), *shown, _between(one.beyond_never), _between(one.beyond_calendar))
    whole(table)
    oracle = (
        "" if chosen.honest_oracle is None else f"; on rows that its path was not chosen by the oracle costs {chosen.honest_oracle:.3f}"
    )
    console.print(f"* recommended; oracle and best calendar are known only afterwards{oracle}; intervals of 95 %")
    robust = table_of(
        "cost", "recommended", "total", "tuned calendar", "total", "never", "oracle", right=("cost", "total", "never", "oracle")
    )
    for cell in sorted(value.cells, key=lambda one: one.cost):
        ours, calendar = cell.recommended, cell.tuned_calendar
        totals = (f"{calendar.total:.3f}", f"{cell.never.total:.3f}", f"{cell.oracle.total:.3f}")
        robust.add_row(f"{cell.cost:g}", ours.name, f"{ours.total:.3f}", calendar.name, *totals)
    whole(robust)
    if (length := value.length) is not None:
        table = table_of("learns from", "tuned total", "a new model's loss, judged", right=("tuned total", "a new model's loss, judged"))
        for name, total in length.tuned_totals.items():
            table.add_row(name + (" *" if name == length.name else ""), f"{total:.3f}", f"{length.fresh_means[name]:.4f}")
        console.print(table)
    for name, why in value.absent.items():
        console.print(f"not played: {name}: {why}")
    touched = {name.replace("_", " "): count for name, count in value.affected.model_dump().items() if count}
    if touched:
        console.print("treated otherwise: " + ", ".join(f"{count} {name}" for name, count in touched.items()))
    for note in value.notes:
        console.print(f"note: {note}")
    console.print(value.recommendation)
    if value.html is not None:
        console.print(f"page: {value.html}")


def _compared(cell: "CostFacts") -> "list[tuple[str, PlayedPolicy]]":
    """The policies that were chosen, one of each family, and what they are held against; of the calendars those that tell something."""
    best = cell.hindsight_calendar
    mine, tuned = cell.recommended, cell.tuned_calendar
    shown = [("oracle", cell.oracle), (f"best calendar in hindsight ({best.name})", best), (f"tuned calendar ({tuned.name})", tuned)]
    others = [one for one in (cell.never, cell.always, *cell.policies) if one.name != mine.name]
    kept = {one.name: one for one in others if one.family != "calendar" or one.name in {cell.never.name, cell.always.name}}
    return [*shown, (f"{mine.name} *", mine), *kept.items()]


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
