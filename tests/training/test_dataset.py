"""The rows of a training are frozen, labelled, and enough, or the reason is said."""

import pandas as pd
import pytest

from ml.data.labels import LabelTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training import dataset
from tests.training.worlds import NOW, accept, declare, visits


def read(settings: Settings, spec: ModelSpec, version: int) -> dataset.Dataset:
    dataset.forget()
    return dataset.read(settings, spec, version=version, as_of=NOW)


def test_rows_without_a_label_are_left_out(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    frame.loc[:49, "bought"] = None
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32))
    assert len(found.frame) == 150
    assert found.frame["bought"].notna().all()


def test_rows_accepted_later_do_not_change_a_frozen_version(settings: Settings) -> None:
    spec = declare(settings)
    version = accept(settings, spec, visits(200), batch="a" * 32)
    before = read(settings, spec, version)
    accept(settings, spec, visits(100, seed=1), batch="b" * 32)
    pd.testing.assert_frame_equal(read(settings, spec, version).frame, before.frame)


def test_only_the_newest_rows_are_used_where_history_is_bounded(settings: Settings) -> None:
    spec = declare(settings, time="at", training={"history_rows": 100})
    version = accept(settings, spec, visits(300), batch="a" * 32)
    found = read(settings, spec, version).frame
    assert found["at"].tolist() == visits(300)["at"].tail(100).astype(found["at"].dtype).tolist()


@pytest.mark.parametrize("time", ["at", None])
def test_the_newest_labelled_rows_are_found_behind_rows_whose_labels_are_late(settings: Settings, time: str | None) -> None:
    spec = declare(settings, time=time, training={"history_rows": 100})
    frame = visits(1000)
    frame.loc[400:, "bought"] = None
    found = read(settings, spec, accept(settings, spec, frame, batch="a" * 32)).frame
    assert found["visit"].tolist() == frame["visit"].iloc[300:400].tolist()


def test_late_labels_count_as_of_the_moment_of_freezing(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    late = pd.DataFrame({"id": frame["visit"].head(60), "label": frame["bought"].head(60)})
    frame.loc[:59, "bought"] = None
    version = accept(settings, spec, frame, batch="a" * 32)
    LabelTable.of(settings, "shop").append(late, delivery="c" * 32, arrived_at=NOW)
    dataset.forget()
    assert len(read(settings, spec, version).frame) == 200
    before = dataset.read(settings, spec, version=version, as_of=NOW.replace(year=2025))
    assert len(before.frame) == 140


def test_labels_that_come_after_a_version_of_them_do_not_change_what_was_frozen_with_it(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(200)
    late = pd.DataFrame({"id": frame["visit"].head(60), "label": frame["bought"].head(60)})
    frame.loc[:59, "bought"] = None
    version = accept(settings, spec, frame, batch="a" * 32)
    labels = LabelTable.of(settings, "shop")
    first = labels.append(late.head(20), delivery="c" * 32, arrived_at=NOW)
    labels.append(late.tail(40), delivery="d" * 32, arrived_at=NOW)

    def rows(labels_version: int | None) -> int:
        dataset.forget()
        return len(dataset.read(settings, spec, version=version, as_of=NOW, labels_version=labels_version).frame)

    assert rows(first) == 160
    assert rows(None) == 140  # there were none when it was frozen
    assert len(read(settings, spec, version).frame) == 200


def test_too_few_rows_are_refused_with_their_number(settings: Settings) -> None:
    spec = declare(settings)
    with pytest.raises(NoData, match="49 accepted rows have a value in 'bought'; a training needs 50"):
        read(settings, spec, accept(settings, spec, visits(49), batch="a" * 32))
    assert len(read(settings, spec, accept(settings, spec, visits(1, seed=1), batch="b" * 32)).frame) == 50


def test_one_class_only_is_refused(settings: Settings) -> None:
    spec = declare(settings)
    with pytest.raises(NoData, match="all 100 labelled rows have the same 'bought', 'yes'"):
        read(settings, spec, accept(settings, spec, visits(100).assign(bought="yes"), batch="a" * 32))


def test_a_positive_that_yaml_read_as_true_is_explained(settings: Settings) -> None:
    spec = declare(settings, positive=True)
    with pytest.raises(ModelOwnerError, match=r"'True' is not among the values of 'bought': '(yes|no)', '(yes|no)'.*in quotes"):
        read(settings, spec, accept(settings, spec, visits(100), batch="a" * 32))


def test_three_classes_are_not_binary(settings: Settings) -> None:
    spec = declare(settings)
    frame = visits(100)
    frame.loc[:9, "bought"] = "perhaps"
    with pytest.raises(ModelOwnerError, match="task: binary, but 'bought' has 3 values"):
        read(settings, spec, accept(settings, spec, frame, batch="a" * 32))
