"""Single keys of a YAML text are changed, and nothing else."""

from typing import Any

import pytest
import yaml

from ml.errors import ModelOwnerError
from ml.jobs.replaying.edit import changed

TEXT = """# top
model: shop # a name
training:
  schedule: "@weekly" # note

retraining:
  drift_share: 0.3 # of the columns
  # about quality
  quality_drop:
  vote:
    voters:
      - kind: never
        weight: 1
    usual_loss: 0.2 # last

# after
monitoring: {minimum_rows: 3} # few
replay:
"""


@pytest.mark.parametrize(
    ("section", "key", "value", "line"),
    [
        ("training", "schedule", None, "  schedule: null # note"),
        ("retraining", "quality_drop", 0.1, "  quality_drop: 0.1"),
        ("retraining", "vote", None, "  vote: null # last"),
        ("retraining", "cost", {"train": 0.1, "promote": 0.2}, "  cost: {train: 0.1, promote: 0.2}"),
        ("retraining", "drift_share", {"a": [1, {"b": 2}]}, "      - {b: 2} # of the columns"),
        ("monitoring", "schedule", "@daily", "  schedule: '@daily'"),
        ("replay", "window", "7d", "  window: 7d"),
        ("evaluation", "slices", ["home"], "  slices: [home]"),
    ],
)
def test_a_key_is_changed_where_it_stands_or_added_and_all_else_stays(section: str, key: str, value: Any, line: str) -> None:
    found = changed(TEXT, {(section, key): value})
    assert line in found.splitlines()
    before, after = yaml.safe_load(TEXT), yaml.safe_load(found)
    assert after[section][key] == value
    assert {**after, section: None} == {**before, section: None}
    assert {**after[section], key: None} == {**(before.get(section) or {}), key: None}
    for comment in ("# top", "# a name", "# about quality", "# after", "# few"):
        assert comment in found


def test_a_text_that_is_no_mapping_a_line_is_left_to_a_person() -> None:
    with pytest.raises(ModelOwnerError, match="change it by hand"):
        changed("{model: shop}", {("training", "schedule"): None})
    ended = {("training", "schedule"): None, ("replay", "window"): "7d"}
    with pytest.raises(ModelOwnerError, match="change it by hand"):
        changed("model: shop\n...\n", ended)
