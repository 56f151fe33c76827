"""What the numbers of a whole model, of one of its versions, or of all models mean, in plain sentences."""

import math
from collections.abc import Sequence

from ml.monitoring.history.facts import History, Seen
from ml.monitoring.history.words import day, number
from ml.monitoring.history.words import paragraphs as told
from ml.monitoring.pages import words
from ml.monitoring.pages.facts import BatchFacts, IndexRow, Meaning, ModelFacts, Tone, VersionFacts
from ml.state.records import Promotion
from ml.wording import counted, percent

_NAMED = 5


def of_history(history: History) -> Meaning:
    """What a period means: the page of a model's history begins with it."""
    now = _now(history)
    return Meaning(tone=now.tone, headline=now.headline, paragraphs=(*now.paragraphs, *told(history)), to_do=now.to_do)


def of_model(facts: ModelFacts) -> Meaning:
    """How a model stands: the newest look in full, who serves and why, and what waits."""
    history = facts.history
    now, newest = _now(history), _newest(history)
    said = [list(one) for one in now.paragraphs]
    if newest is not None and newest.is_measured:
        looked = f"The newest look was at window {newest.number} of {day(newest.at)}, {counted(newest.rows, 'row')}."
        said.append([looked, *words.drift(newest, history.drift_limit, promise=history.promise)])
        said += [words.quality(newest, history.metric), words.decision(newest.decision)]
    said.append(_serving(history) + _waiting(facts.quarantined))
    return Meaning(tone=now.tone, headline=now.headline, paragraphs=tuple(said), to_do=now.to_do)


def of_newest(model: str, newest: Seen | None, *, champion: int | None, drift_limit: float | None) -> Meaning:
    """How a model stands by its newest window alone, in one line."""
    if newest is None:
        return _unseen(model, champion)
    if champion is not None and newest.champion != champion:
        return _too_early(champion)
    found = words.tone(newest, drift_limit)
    head = words.headline(newest, drift_limit) if newest.is_measured else "The newest rows could not be looked at, or not yet."
    return Meaning(tone=found, headline=head, to_do=words.to_do(newest, found, model=model))


def of_version(facts: VersionFacts) -> Meaning:
    """What became of a version, and what is known of its quality."""
    said = [f"It was trained on {day(facts.made_at)}: {words.listed([facts.reason])}."]
    said += _beside(facts)
    if facts.verdict and facts.comparison is None:
        said.append(f"The gate said: {words.listed([facts.verdict])}.")
    if facts.warnings:
        said.append(f"{counted(len(facts.warnings), 'warning')} of leakage: it may know what it will not know when it is used.")
    head = _version_headline(facts)
    return Meaning(tone="look" if facts.warnings else "plain", headline=head, paragraphs=(said,), to_do=_version_to_do(facts))


def of_deliveries(batches: Sequence[BatchFacts], *, quarantined: int, model: str) -> Meaning:
    """What the checks of the deliveries say."""
    if not batches:
        then = f"What to do: `perennial ingest {model}` looks for files."
        return Meaning(tone="unknown", headline="Nothing was delivered yet.", to_do=then)
    newest = batches[0]
    said = f"The newest came on {day(newest.at)} and is {newest.status}."
    if not quarantined:
        return Meaning(tone="good", headline="No delivery waits in quarantine.", paragraphs=([said],), to_do="What to do: nothing.")
    return Meaning(
        tone="look",
        headline=_waiting(quarantined)[0],
        paragraphs=([said],),
        to_do=f"What to do: whoever delivers mends them and delivers anew; `perennial quarantine list {model}` names them.",
    )


def of_all(rows: Sequence[IndexRow]) -> Meaning:
    """How all models stand, in two sentences."""
    if not rows:
        return Meaning(tone="unknown", headline="No model is declared yet.", to_do="What to do: `perennial new` makes a first one.")
    by_tone: dict[Tone, list[str]] = {}
    for row in rows:
        by_tone.setdefault(row.meaning.tone, []).append(row.model)
    good, total = len(by_tone.get("good", [])), len(rows)
    if total == 1:
        only = rows[0].meaning
        return Meaning(tone=only.tone, headline=f"{rows[0].model}: {only.headline}", to_do=only.to_do)
    head = "Nothing looks wrong with any of them." if good == total else f"{good} of {total} look all right."
    texts: tuple[tuple[Tone, str], ...] = (
        ("bad", "Worse than it should be"),
        ("look", "Something has changed"),
        ("unknown", "Too little is known of"),
    )
    said = [f"{text}: {_few(by_tone[key])}." for key, text in texts if key in by_tone]
    then = "What to do: open the models that are named here." if said else "What to do: nothing."
    return Meaning(
        tone="bad" if "bad" in by_tone else "look" if "look" in by_tone else "unknown" if "unknown" in by_tone else "good",
        headline=f"{counted(total, 'model')}. {head}",
        paragraphs=(said,),
        to_do=then,
    )


def _now(history: History) -> Meaning:
    """How the model stands at the end of the period; the sentence says since when."""
    newest, measured = _newest(history), history.measured
    if newest is None:
        return _unseen(history.model, history.champion)
    if history.champion is not None and newest.champion != history.champion:
        return _too_early(history.champion)
    found = words.tone(newest, history.drift_limit)
    then = words.to_do(newest, found, model=history.model)
    if not newest.is_measured:
        head = "The newest rows could not be looked at." if newest.decision is not None else "The newest rows are not looked at yet."
        before = f"The last look that came to an end was at window {measured[-1].number} of {day(measured[-1].at)}." if measured else ""
        return Meaning(tone="look", headline=head, paragraphs=([before],) if before else (), to_do=then)
    return Meaning(tone=found, headline=words.headline(newest, history.drift_limit), paragraphs=([_streak(history, found)],), to_do=then)


def _newest(history: History) -> Seen | None:
    """The newest window; one that is not measured yet, and not given up, waits behind the one before it."""
    waiting = [one for one in history.windows if one.is_measured or one.decision is not None]
    return waiting[-1] if waiting else history.windows[-1] if history.windows else None


def _streak(history: History, found: Tone) -> str:
    """Since when it has been so."""
    looks = history.measured[::-1]
    same = 0
    for one in looks:
        if words.tone(one, history.drift_limit) != found:
            break
        same += 1
    first = looks[same - 1]
    if found == "good":
        if same == len(looks):
            return f"Nothing was found wrong in {'the one look' if same == 1 else f'any of the {same:,} looks'} since {day(first.at)}."
        return (
            f"Nothing was found wrong since window {first.number} of {day(first.at)} ({counted(same, 'look')}); before that something was."
        )
    if same == 1 and len(looks) > 1:
        return f"That is new in window {first.number} of {day(first.at)}: the look before it was otherwise."
    return f"It has been so since window {first.number} of {day(first.at)} ({counted(same, 'look')})."


def _unseen(model: str, champion: int | None) -> Meaning:
    if champion is None:
        return Meaning(
            tone="unknown",
            headline="No version serves yet.",
            paragraphs=(["Nothing was trained that could be used, so there is nothing to watch."],),
            to_do=f"What to do: `perennial train {model}`, or wait for {model}.train.",
        )
    return Meaning(
        tone="unknown",
        headline=f"Version {champion} serves; it was not looked at in this period.",
        paragraphs=(["Too few new rows have come since it was trained."],),
        to_do=f"What to do: wait for new rows; {model}.monitor looks at them.",
    )


def _too_early(champion: int) -> Meaning:
    return Meaning(
        tone="unknown",
        headline=f"Version {champion} has taken over since the last look: too early to tell how it does.",
        to_do="What to do: wait for the next look, which comes with new rows.",
    )


def _waiting(quarantined: int) -> list[str]:
    if not quarantined:
        return []
    waits = "delivery waits" if quarantined == 1 else "deliveries wait"
    return [f"{quarantined:,} {waits} in quarantine, unread by the model."]


def _serving(history: History) -> list[str]:
    if history.champion is None:
        return []
    mine = [one for one in history.changes if one.version == history.champion]
    if not mine:
        return [f"Version {history.champion} serves, unchanged in this period."]
    return [_crowned(mine[-1])]


def _crowned(one: Promotion) -> str:
    if one.kind == "rollback":
        return f"Version {one.version} serves again since {day(one.at)}: version {one.previous} was rolled back by {one.by}."
    instead = "" if one.previous is None else f" in place of version {one.previous}"
    return f"Version {one.version} serves since {day(one.at)}{instead}: {words.listed([one.reason])}."


def _version_headline(facts: VersionFacts) -> str:
    if facts.is_champion:
        return f"Version {facts.version} is the champion since {day(facts.served[-1][0])}."
    if facts.served:
        first, last = facts.served[-1]
        ended = f": {facts.ended}" if facts.ended else ""
        return f"Version {facts.version} served from {day(first)} to {day(last) if last else 'now'}{ended}."
    if facts.state == "running":
        return f"Version {facts.version} waits for its end, or for a person's word."
    if facts.wins is False:
        return f"Version {facts.version} did not win at the gate and never served."
    return f"Version {facts.version} never served."


def _beside(facts: VersionFacts) -> list[str]:
    if facts.value is None or not math.isfinite(facts.value):
        return ["How good it is was not written down."]
    on = f"On {counted(facts.rows, 'test row')} it reached {facts.metric} {number(facts.value)}"
    than = f"; without any feature it would be {number(facts.baseline)}" if facts.baseline is not None else ""
    if facts.former is None or facts.former_value is None:
        return [f"{on}{than}. There was no champion to compare with."]
    found = facts.comparison
    beside = f"{on}, version {facts.former} {number(facts.former_value)} on the same rows{than}."
    if found is None:
        return [beside, "Too few rows could be compared to tell whether that is more than chance."]
    span = f"between {number(found.low)} and {number(found.high)} with {percent(found.confidence)} confidence"
    if found.low > 0:
        return [beside, f"It is better by {number(found.gain)}, {span}."]
    if found.high < 0:
        return [beside, f"It is worse by {number(-found.gain)} ({span})."]
    return [beside, f"The difference of {number(found.gain)} ({span}) may be chance."]


def _version_to_do(facts: VersionFacts) -> str:
    if facts.warnings:
        return "What to do: read the warnings under Leakage before it is trusted."
    if facts.is_champion:
        return f"What to do: nothing. `perennial rollback {facts.model}` brings the one before it back."
    return "What to do: nothing."


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
