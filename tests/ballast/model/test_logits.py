"""Features in blocks: converted to float64, and given back to the system as they are passed."""

from pathlib import Path

import numpy as np
import pytest

from ballast.core.mapped import mapped_array
from ballast.model import logits
from ballast.model.logits import float_blocks


@pytest.mark.parametrize("every", [1, 10])
def test_pages_are_given_back_after_bytes_of_the_file_also_if_few_rows_of_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    features = mapped_array(tmp_path, "<u2", (1000, 16))
    features[:] = np.arange(1000)[:, None]
    events: list[int] = []
    monkeypatch.setattr(logits, "RELEASED", 100 * features[0].nbytes)
    monkeypatch.setattr(logits, "release", lambda _: events.append(0))
    rows = features[::every]
    for some, block in float_blocks(rows, 10):
        assert block.dtype == np.float64
        assert np.array_equal(block, rows[some])
        events.append(len(block) * every)
    passed, most = 0, 0
    for event in events:
        passed = passed + event if event else 0
        most = max(most, passed)
    assert (most, events[-1]) == (100, 0), "of 1,000 rows of the file"
