"""Arrays in files: without a name, and without memory of their own."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ballast.core.errors import UserError
from ballast.core.mapped import mapped_array, release, rows_at, scratch_file

RESIDENT = """
import sys
from pathlib import Path
import numpy as np
from ballast.core.mapped import release, rows_at, scratch_file

def resident(line="VmRSS"):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(found.split()[1]) // 1024 for found in lines if found.startswith(line))
"""
WRITTEN = f"""
{RESIDENT}
with scratch_file(Path(sys.argv[1])) as file:
    array = np.memmap(file, "<u2", "w+", shape=(100, 2**19))  # 100 MiB
before = resident()
for row in range(100):
    array[row] = row
    release(array[row:])
print(resident() - before)
print(sum(int(row[0]) for row in array))
print(resident() - before)
release(array)
print(resident() - before)
"""
COPIED = f"""
{RESIDENT}
with scratch_file(Path(sys.argv[1])) as file:
    array = np.memmap(file, "<u2", "w+", shape=(2**17, 2**10))  # 256 MiB
for start in range(0, len(array), 2**12):
    array[start : start + 2**12] = start // 2**12
    release(array)
places = np.arange(0, len(array), 32)  # 4,096 rows of 2 KiB
before = resident("VmHWM")
rows = rows_at(array, places)
print(resident("VmHWM") - before)
print((rows == array[places]).all())
print(resident("VmHWM") - before)
"""


def test_a_scratch_file_is_in_the_folder_and_has_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "made when it is needed"
    with scratch_file(folder) as file:
        assert os.fstat(file.fileno()).st_dev == folder.stat().st_dev
        assert os.fstat(file.fileno()).st_nlink == 0
        assert [*folder.iterdir()] == []
    (tmp_path / "file").touch()
    with scratch_file(tmp_path / "file") as file:
        file.write(b"elsewhere, if it must")


def test_what_is_released_takes_no_memory_and_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITTEN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    written, total, read, released = map(int, done.stdout.split())
    assert total == sum(range(100))
    assert written < 10
    assert read > 5, "a row was read through each page"
    assert released < 5


def test_copying_some_rows_takes_no_memory_for_those_between_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", COPIED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    copied, equal, indexed = done.stdout.split()
    assert equal == "True"
    assert int(copied) < 120
    assert int(indexed) > 200, "NumPy's own way maps the whole file"


def test_an_array_in_memory_is_left_alone() -> None:
    array = np.arange(6).reshape(2, 3)
    release(array[1:])
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert rows_at(array, [1, 1, 0]).tolist() == [[3, 4, 5], [3, 4, 5], [0, 1, 2]]
    assert rows_at(array, []).shape == (0, 3)


def test_an_array_for_which_there_is_no_room_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = mapped_array(tmp_path, "<u2", (3, 5))
    array[1] = 7
    assert array.tolist() == [[0] * 5, [7] * 5, [0] * 5]

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match=f"^{tmp_path}: cannot be written: No space left"):
        mapped_array(tmp_path, "<u2", (3, 5))
