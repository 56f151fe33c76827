"""One look at a window under a promised rate of false alarms: what is compared of each column, and what is said of it.

A column is looked at by the distribution of its values (the families data, prediction, target), and features and predictions
also by the quality of their data: the share of missing values, and of values that the reference never had. Each of these is a test and an
alarm of its own; the column is shown by its distance, or by a share where only that is an alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ml.errors import ModelOwnerError, NoData
from ml.monitoring import NOT_FEATURES, profiles
from ml.monitoring import drift as drifting
from ml.monitoring.alarms import basis, shares
from ml.monitoring.alarms.comparing import Comparison, Watched, compare, compare_missing, compare_text
from ml.monitoring.alarms.own_windows import Cut, OwnWindows
from ml.monitoring.alarms.promise import split
from ml.monitoring.alarms.verdicts import ColumnVerdict, judge
from ml.monitoring.alarms.windows import Calibration
from ml.monitoring.drift import MISSING_SHARE, MISSING_SHARE_THRESHOLD, TEXT_METHOD, Pin
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile, TextProfile
from ml.spec import Persistence
from ml.state.records import Drift

DATA_QUALITY = "data quality"
STRANGE_SHARE_THRESHOLD = 0.05
"""The smallest share of values that the reference never had that matters: one row in twenty."""
Test = tuple[str, str, str]
"""Column, family, and what is compared there: `distance` or the name of a share."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was compared of one column: its distance first, if both sides have values; then the quality of its data."""

    pin: Pin
    comparisons: tuple[Comparison, ...]


def look(pin: Pin, *, reference: Profile, window: Profile, own: OwnWindows, doubt: str = "") -> Look:
    """Compares a column of a window with the reference.

    Args:
        pin: What is compared.
        reference: The column's profile there.
        window: The window's.
        own: What the reference's own windows say.
        doubt: Why a difference may be more than chance although nothing has changed: what is said of the distance is then provisional.
            As `ml.monitoring.alarms.basis.told` tells it.

    Raises:
        NoData: One of the sides has no rows.
        ModelOwnerError: A statistic is not a finite number, or the sides are not of the pin's kind.
    """
    for side, profile in (("reference", reference), ("window", window)):
        if not profile.rows:
            raise NoData(f"column {pin.column}: the {side} has no rows, so no drift can be measured; wait for data, or train again")
    if type(reference) is not type(window):
        raise drifting.other_kind(pin)
    try:
        found = [_distance(pin, reference, window, own, doubt)]
        if pin.kind != "target":  # its labels may come late
            found += [_missing(pin, reference, window, own), _strange(pin, reference, window, own)]
        elif found == [None]:
            found = [_missing(pin, reference, window, own)]
    except ValueError as error:
        cure = "Choose another method in monitoring.drift"
        raise ModelOwnerError(f"{error}: the drift of column {pin.column!r} cannot be measured. {cure}") from error
    return Look(pin, tuple(one for one in found if one is not None))


def own_windows(pin: Pin, column: pd.Series, whole: Profile, cut: Cut) -> OwnWindows:
    """What a column of the reference, whose profile is `whole`, says of itself, compared as `look` compares it."""
    method = pin.method
    if drifting.is_flag(pin, whole):
        assert isinstance(whole, NumericProfile), "flags are numbers"
        return cut.calibrated(column, drifting.flags(whole, whole), method=method, profile=lambda part: _flags(pin, whole, part))
    return cut.calibrated(column, whole, method=method, profile=lambda part: drifting.profile_of(pin, part))


def _flags(pin: Pin, whole: NumericProfile, part: pd.Series) -> Profile:
    found = drifting.profile_of(pin, part)
    assert isinstance(found, NumericProfile), "flags are numbers"
    return drifting.flags(whole, found)


def families(looks: Sequence[Look]) -> list[str]:
    """The kinds of drift that are looked at, in the order of the looks."""
    return list(dict.fromkeys(one.watched.family for look in looks for one in look.comparisons))


def judged(
    looks: Sequence[Look],
    *,
    level: float,
    persistence: Persistence | None = None,
    earlier: Sequence[Mapping[Test, bool]] = (),
    beside: Sequence[str] = (),
) -> list[Drift]:
    """What the look says of each column, in order.

    Args:
        looks: At all columns of the window.
        level: The chance of a false alarm that the look may have; its families share it.
        persistence: Only drifts that persist are acted on.
        earlier: The alarms of the champion's earlier looks, the newest first: as many as persistence looks back, or fewer.
        beside: Other kinds of drift, judged elsewhere, that share the level too.
    """
    levels = split(level, [*families(looks), *beside])
    verdicts = judge([one for look in looks for one in look.comparisons], levels=levels, persistence=persistence)
    found = {(one.column, one.family, one.method): one for family in verdicts for one in family.columns}
    drifts = []
    for look in looks:
        of = [found[one.watched.column, one.watched.family, one.watched.method] for one in look.comparisons]
        drifts.append(_drift(look.pin, of, persistence, earlier))
    return drifts


def alarms(drifts: Sequence[Drift]) -> dict[Test, bool]:
    """Each test of a look that a promise judged, and whether it was an alarm; to be told to the next looks."""
    kept = {}
    for one in drifts:
        for verdict in one.verdicts:
            kept[_test(one.column, verdict["family"], verdict["method"])] = bool(verdict["is_alarm"])
    return kept


def persists(drift: Drift) -> bool | None:
    """Whether a column's drift persists; None where that was not asked for."""
    said = [bool(one["persists"]) for one in drift.verdicts if one["persists"] is not None]
    return any(said) if said else None


def told(drift: Drift) -> list[dict[str, Any]]:
    """What was judged of a column, with its words: `sentence`, and `origin` in place of what that is made from."""
    return [_worded(drift.column, one) for one in drift.verdicts]


def _test(column: str, family: str, method: str) -> Test:
    return column, family, method if family == DATA_QUALITY else "distance"


def _drift(pin: Pin, said: Sequence[ColumnVerdict], persistence: Persistence | None, earlier: Sequence[Mapping[Test, bool]]) -> Drift:
    told = [_told(one, persistence, earlier) for one in said]
    first = next((place for place, one in enumerate(said) if one.is_alarm), 0)
    shown = said[first]
    return Drift(
        column=pin.column,
        kind=pin.kind,
        method=shown.method,
        value=shown.value,
        threshold=shown.floor,
        drifted=shown.is_alarm,
        verdict={**told.pop(first), "also": told},
    )


def _told(one: ColumnVerdict, persistence: Persistence | None, earlier: Sequence[Mapping[Test, bool]]) -> dict[str, Any]:
    """The verdict as JSON types, with its latest looks (the newest first) and whether it persists; its words are made by `told`."""
    facts = {name: value for name, value in one.to_json().items() if name != "column"}
    if persistence is None or persistence.of == 1:
        return {**facts, "looks": None, "persists": None}
    test = _test(one.column, one.family, one.method)
    looks = [one.is_alarm, *(look.get(test, False) for look in earlier[: persistence.of - 1])]
    return {**facts, "looks": looks, "needed": str(persistence), "persists": persistence.holds(looks[::-1])}


def _worded(column: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    if "sentence" in facts:  # of an earlier version, which kept the words
        return dict(facts)
    verdict = ColumnVerdict.of_json(column, facts)
    looks, often = facts["looks"], ""
    if looks is not None:
        often = f" (so in {sum(looks)} of its last {len(looks)} looks, {facts['needed']} are needed)"
    kept = {name: value for name, value in facts.items() if name not in {"basis", "needed", "also"}}
    return {**kept, "origin": verdict.origin, "sentence": verdict.sentence + often}


def _distance(pin: Pin, reference: Profile, window: Profile, own: OwnWindows, doubt: str) -> Comparison | None:
    if not reference.present or not window.present:
        return None
    watched = Watched(column=pin.column, family=_family(pin), method=pin.method, floor=pin.threshold)
    if isinstance(reference, TextProfile) and isinstance(window, TextProfile):
        return _texts(pin, watched, reference, window, own)
    assert not isinstance(reference, TextProfile), "both sides are of one kind"
    assert not isinstance(window, TextProfile), "both sides are of one kind"
    expected = pin.method if isinstance(reference, NumericProfile) else "G"
    if drifting.is_flag(pin, reference):
        assert isinstance(reference, NumericProfile), "flags are numbers"
        assert isinstance(window, NumericProfile), "both sides are of one kind"
        expected, (method, floor) = "G", pin.as_label
        watched = Watched(column=pin.column, family=watched.family, method=method, floor=floor)
        window, reference = drifting.flags(reference, window), drifting.flags(reference, reference)
    calibration, note = _calibration(own, expected)
    return compare(watched, reference=reference, window=window, calibration=calibration, note=",".join(filter(None, (note, doubt))))


def _texts(pin: Pin, watched: Watched, reference: TextProfile, window: TextProfile, own: OwnWindows) -> Comparison | None:
    """Texts without a telling word are compared as labels, as `ml.monitoring.drift` has it."""
    found = drifting.compare_texts(pin, reference.drawn, window.drawn)
    if found.method == TEXT_METHOD:
        # The classifier learns from one half of the rows and is asked about the other.
        sizes = [max(1, len(side.drawn) // 2) for side in (window, reference)]
        return compare_text(watched, found.value, rows=sizes[0], reference_rows=sizes[1], note=own.note)
    watched = Watched(column=pin.column, family=watched.family, method=found.method, floor=found.threshold)
    return compare(watched, reference=profiles.labels(reference.drawn), window=profiles.labels(window.drawn), note=own.note)


def _missing(pin: Pin, reference: Profile, window: Profile, own: OwnWindows) -> Comparison | None:
    """None where nothing is missing on either side: there is nothing to test then."""
    if reference.present == reference.rows and window.present == window.rows:
        return None
    family = DATA_QUALITY if pin.kind != "target" else _family(pin)
    watched = Watched(column=pin.column, family=family, method=MISSING_SHARE, floor=MISSING_SHARE_THRESHOLD)
    note = own.note
    if own.distance is not None and own.missing is None:
        note = basis.MISSING
    return compare_missing(watched, reference=reference, window=window, calibration=own.missing, note=note if own.missing is None else "")


def _strange(pin: Pin, reference: Profile, window: Profile, own: OwnWindows) -> Comparison | None:
    """How many values of a feature the reference never had; texts are nearly always new."""
    if pin.kind == "prediction":
        return None
    note = "" if own.distance is not None else own.note
    if isinstance(reference, NumericProfile) and isinstance(window, NumericProfile):
        watched = Watched(column=pin.column, family=DATA_QUALITY, method=shares.OUT_OF_RANGE, floor=STRANGE_SHARE_THRESHOLD)
        return shares.compare_range(watched, reference=reference, window=window, calibration=own.distance, note=note)
    if isinstance(reference, LabelProfile) and isinstance(window, LabelProfile):
        watched = Watched(column=pin.column, family=DATA_QUALITY, method=shares.UNSEEN, floor=STRANGE_SHARE_THRESHOLD)
        return shares.compare_unseen(watched, reference=reference, window=window, calibration=own.distance, note=note)
    return None


def _family(pin: Pin) -> str:
    return pin.kind if pin.kind in NOT_FEATURES else "data"


def _calibration(own: OwnWindows, method: str) -> tuple[Calibration | None, str]:
    if own.distance is not None and own.distance.method != method:
        return None, basis.METHOD
    return own.distance, own.note
