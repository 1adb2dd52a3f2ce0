"""Features are converted in blocks, and a file of them takes little memory, whatever is read."""

import re
from pathlib import Path

import pytest

from ballast.core.mapped import mapped_array, release
from ballast.model.logits import RELEASED, float_blocks


@pytest.mark.parametrize("every", [1, 20])
def test_blocks_of_a_file_give_back_what_they_pass(tmp_path: Path, every: int) -> None:
    features = mapped_array(tmp_path, "<u2", (2**17, 2**10))  # 256 MiB
    for start in range(0, len(features), 2**12):
        features[start : start + 2**12] = start // 2**12
        release(features)
    before, most = _of_files(), 0
    found: list[float] = []
    for rows, block in float_blocks(features[::every], 64):
        assert block.shape == (rows.stop - rows.start, 2**10)
        found.extend(block[:, -1])
        most = max(most, _of_files() - before)
    assert found == features[::every, -1].tolist()
    assert most < RELEASED / 2**20 + 20


def _of_files() -> int:
    """Mapped files in this process's memory, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"RssFile:\s+(\d+)", status)[0]) // 2**10
