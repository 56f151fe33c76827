"""When estimates are trusted: only after their labels have said so."""

import json
import math

import pytest

from ml.monitoring.estimated.audit import Matured, audit, matured
from ml.monitoring.estimated.values import Estimated, with_interval, without_value


def seen(*, inside: bool, number: int = 0, metric: str = "accuracy") -> Matured:
    measured = 0.8 if inside else 0.6
    return Matured(window=f"w{number}", metric=metric, estimated=0.81, low=0.75, high=0.85, measured=measured, at_promotion=0.9)


@pytest.mark.parametrize(("inside", "windows", "trusted"), [(4, 5, True), (3, 5, False), (8, 10, True), (7, 10, False), (4, 4, False)])
def test_four_of_five_must_be_inside_and_five_there(inside: int, windows: int, trusted: bool) -> None:
    found = audit([seen(inside=number < inside) for number in range(windows)])
    assert (found.trusted, found.windows, found.share_inside) == (trusted, windows, inside / windows)
    assert found.sentence.startswith("Trusted: " if trusted else "Not trusted: ")


def test_only_the_newest_windows_count() -> None:
    old, new = [seen(inside=True)] * 30, [seen(inside=False)] * 3
    assert not audit([*old, *new]).trusted
    assert audit([*new, *old]).trusted
    assert audit([*old, *new], last=20).trusted
    assert not audit([seen(inside=True)] * 6, fewest=7).trusted


def test_errors_are_mean_distances_to_what_was_measured() -> None:
    found = audit([seen(inside=True), seen(inside=False)])
    assert found.mean_absolute_error == pytest.approx((0.01 + 0.21) / 2)
    assert found.mae_of_assuming_nothing == pytest.approx((0.1 + 0.3) / 2)


@pytest.mark.parametrize(("at_promotion", "trusted"), [(0.8099, False), (0.81, True), (0.8101, True), (0.79, True), (0.7901, False)])
def test_estimates_that_are_farther_off_than_the_test_value_are_not_trusted_however_wide_their_interval(
    at_promotion: float, trusted: bool
) -> None:
    one = Matured(window="w", metric="accuracy", estimated=0.81, low=0.5, high=1.0, measured=0.8, at_promotion=at_promotion)
    found = audit([one] * 6)
    assert found.trusted is trusted
    assert (", which is smaller" in found.sentence) is not trusted


def test_without_a_matured_window_nothing_is_trusted() -> None:
    found = audit([])
    assert (found.windows, found.trusted, found.share_inside, found.mean_absolute_error) == (0, False, None, None)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["trusted"] is False


@pytest.mark.parametrize(("measured", "inside"), [(0.7499999, False), (0.75, True), (0.85, True), (0.8500001, False)])
def test_the_ends_belong_to_the_interval(measured: float, inside: bool) -> None:
    one = Matured(window="w", metric="accuracy", estimated=0.8, low=0.75, high=0.85, measured=measured, at_promotion=0.8)
    assert one.inside is inside


def test_a_number_that_is_none_is_refused_and_never_outside_or_inside() -> None:
    with pytest.raises(ValueError, match="accuracy of window w: measured is not a finite number"):
        Matured(window="w", metric="accuracy", estimated=0.8, low=0.75, high=0.85, measured=math.nan, at_promotion=0.8)


def test_one_audit_is_of_one_metric() -> None:
    with pytest.raises(ValueError, match="not of accuracy, brier"):
        audit([seen(inside=True), seen(inside=True, metric="brier")])


def estimated() -> Estimated:
    known = with_interval("accuracy", 0.8, sampling_error=0.02, model_error=0.01, confidence=0.95)
    return Estimated(method="cbpe", rows=400, reference_rows=500, confidence=0.95, metrics=(without_value("roc_auc", "why"), known))


def test_the_interval_is_wider_where_few_rows_have_labels_and_the_same_where_all_have() -> None:
    whole = matured("w", estimated(), "accuracy", measured=0.8, labelled_rows=400, at_promotion=0.8)
    part = matured("w", estimated(), "accuracy", measured=0.8, labelled_rows=100, at_promotion=0.8)
    assert whole is not None
    assert part is not None
    assert whole.high - whole.estimated == pytest.approx(1.959964 * math.hypot(0.02, 0.01))
    assert part.high - part.estimated == pytest.approx(1.959964 * math.hypot(0.04, 0.01))


def test_a_metric_without_estimate_has_nothing_to_audit() -> None:
    assert matured("w", estimated(), "roc_auc", measured=0.8, labelled_rows=400, at_promotion=0.8) is None
    assert matured("w", estimated(), "brier", measured=0.8, labelled_rows=400, at_promotion=0.8) is None
