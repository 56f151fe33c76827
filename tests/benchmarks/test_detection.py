"""How alarms are matched to changes, how drift is put into a stream, and how the stand-in for a slow peer decides."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from benchmarks import river_peer
from benchmarks.detection_champion import Champion, watched
from benchmarks.detection_scores import Change, Score, as_published, pooled, score
from benchmarks.detection_streams import KINDS, REGION, Plan, Stream, drifting

ABRUPT = [Change(1_000, 1_000), Change(2_000, 2_000)]


def _score(alarms: list[int], changes: list[Change] = ABRUPT, tolerance: int = 250) -> Score:
    return score(alarms, changes, tolerance=tolerance, rows=3_000)


@pytest.mark.parametrize(("alarm", "found"), [(999, 0), (1_000, 1), (1_250, 1), (1_251, 0)])
def test_an_alarm_finds_a_change_from_its_first_row_to_the_last_of_the_tolerance(alarm: int, found: int) -> None:
    one = _score([alarm])
    assert (one.found, one.false) == (found, 1 - found)


def test_delays_count_rows_from_the_change_on() -> None:
    one = _score([1_010, 2_200])
    assert one.delays == (10, 200)
    assert (one.recall, one.precision, one.f1, one.delay, one.false_per_1000) == (1, 1, 1, 105, 0)


def test_the_tolerance_of_a_gradual_change_begins_at_its_end_and_the_delay_at_its_start() -> None:
    gradual = [Change(1_000, 1_500)]
    assert _score([1_750], gradual).delays == (750,)
    assert _score([1_751], gradual).found == 0
    assert _score([1_001], gradual).delays == (1,)


def test_a_second_alarm_of_one_change_is_false() -> None:
    one = _score([1_010, 1_200])
    assert (one.delays, one.false, one.recall, one.precision) == ((10,), 1, 0.5, 0.5)
    assert one.false_per_1000 == pytest.approx(1 / 3)


def test_an_alarm_counts_for_the_change_that_began_last() -> None:
    one = _score([2_100], tolerance=5_000)
    assert one.delays == (100,)
    assert one.recall == 0.5


def test_without_a_known_change_there_is_a_rate_and_no_recall() -> None:
    one = _score([5, 6], [])
    assert (one.recall, one.f1, one.delay, one.false) == (None, None, None, 2)


def test_without_an_alarm_there_is_no_precision() -> None:
    one = _score([])
    assert (one.recall, one.precision, one.f1) == (0, None, 0)


def test_changes_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        _score([], ABRUPT[::-1])


def test_streams_are_pooled_by_their_counts() -> None:
    one = pooled([_score([1_010, 2_010]), _score([50])])
    assert (one.changes, one.found, one.false, one.rows) == (4, 2, 1, 6_000)
    assert one.f1 == pytest.approx(2 * 2 / (4 + 3))


def test_the_papers_count_takes_all_alarms_within_the_tolerance_as_true_and_divides_by_one_stream() -> None:
    found = as_published([([900, 1_010, 1_200], 1_000), ([], 1_000), ([1_300], 1_000)], tolerance=250, rows=2_000)
    assert (found.precision, found.recall, found.f1) == (2 / 4, 2 / 4, 0.5)
    assert found.false_per_1000 == 1.0


ROWS = 4_000
FEATURES = np.arange(ROWS * 3, dtype=float).reshape(ROWS, 3)
LABELS = np.arange(ROWS) % 2


def _drifting(kind: str, width: int = 0) -> tuple[Stream, int]:
    stream = drifting(FEATURES, LABELS, ("a", "b", "c"), kind, width=width, random=np.random.default_rng(3))
    assert stream.changes is not None
    return stream, stream.changes[0].start


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_drifts_before_the_drift(kind: str) -> None:
    stream, onset = _drifting(kind, width=500)
    assert REGION[0] * ROWS <= onset < REGION[1] * ROWS
    assert stream.at is not None
    before = stream.at < onset
    assert before.sum() == onset
    np.testing.assert_array_equal(stream.features[before], FEATURES[:onset])
    np.testing.assert_array_equal(stream.labels[before], LABELS[:onset])


def test_a_class_prior_drift_drops_three_quarters_of_one_class() -> None:
    stream, onset = _drifting("class prior")
    assert stream.at is not None
    counts = np.bincount(stream.labels[stream.at >= onset], minlength=2) / ((ROWS - onset) / 2)
    assert sorted(counts) == pytest.approx([0.25, 1], abs=0.05)


def test_a_label_swap_leaves_one_class() -> None:
    stream, onset = _drifting("label swap")
    assert len(set(stream.labels[onset:].tolist())) == 1
    np.testing.assert_array_equal(stream.features, FEATURES)


def test_a_permutation_moves_the_columns_of_all_later_rows() -> None:
    stream, onset = _drifting("permutation")
    assert (stream.features[onset:] != FEATURES[onset:]).any(axis=0).sum() >= 2
    np.testing.assert_array_equal(np.sort(stream.features, axis=1), FEATURES)


def test_filtering_drops_the_rows_above_a_median() -> None:
    stream, onset = _drifting("filtering")
    assert len(stream.labels) == max(onset, ROWS // 2)


def test_a_gradual_drift_grows_over_its_width() -> None:
    stream, onset = _drifting("permutation", width=1_000)
    moved = (stream.features != FEATURES).any(axis=1)
    assert moved[onset : onset + 500].mean() == pytest.approx(0.25, abs=0.06)
    assert moved[onset + 500 : onset + 1_000].mean() == pytest.approx(0.75, abs=0.06)
    assert moved[onset + 1_000 :].all()


def test_alarms_are_told_in_the_counting_of_the_changes_where_rows_were_dropped() -> None:
    stream, _ = _drifting("class prior")
    assert stream.at is not None
    assert stream.counted([len(stream.labels) - 1]) == [int(stream.at[-1])]
    assert replace(stream, at=None).counted([7]) == [7]


def test_after_an_alarm_a_new_champion_learns_from_the_rows_that_follow() -> None:
    plan = Plan(learn=200, held=100, window=50, first=(400, 100))
    stream = replace(_drifting("label swap")[0], plan=plan)
    seen: list[tuple[int, int, int]] = []

    def first_alarm(champion: Champion) -> int:
        seen.append((champion.start, champion.held, champion.end))
        assert len(seen) < 20
        return next(champion.windows).stop - 1

    alarms = watched(stream, first_alarm)
    assert seen[:2] == [(0, 400, 500), (550, 750, 850)]
    assert alarms[:2] == [549, 899]
    assert alarms[-1] < ROWS


def test_the_quick_distances_are_those_of_scipy() -> None:
    random = np.random.default_rng(5)
    for values in (
        random.normal(size=(20, 60)),
        random.integers(0, 4, (20, 60)).astype(float),
        (random.random((20, 60)) < 0.3).astype(float),
    ):
        found = river_peer._distances(values[:, :30], values[:, 30:])
        wanted = [30 * ks_2samp(row[:30], row[30:], method="asymp").statistic for row in values]
        np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("alpha", [0.005, 1e-5])
def test_the_least_distance_of_an_alarm_is_the_first_whose_p_value_is_low_enough(alpha: float) -> None:
    least, rows = river_peer._least(30, alpha), np.arange(30)
    assert ks_2samp(rows, rows + least - 0.5).pvalue <= alpha < ks_2samp(rows, rows + least - 1.5).pvalue


def test_a_level_that_no_distance_reaches_is_never_an_alarm() -> None:
    assert river_peer._least(30, 0.0) > 30
