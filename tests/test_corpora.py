"""make test-corpora: every file of a folder is accounted for, and what breaks Ballast is named."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import corpora
import pytest
from PIL import Image

from ballast.dataset.listing import list_files
from ballast.dataset.scan import inspect_files


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A photograph and its copy, half of one, a text, a hidden file and a link to nowhere."""
    folder = tmp_path / "odd"
    (folder / "deep").mkdir(parents=True)
    picture = Image.effect_noise((64, 48), 50).convert("RGB")
    picture.save(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    (folder / "deep" / "copy.png").write_bytes(whole)
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("not a picture", encoding="utf-8")
    (folder / ".hidden.png").write_bytes(whole)
    (folder / "link.png").symlink_to("nowhere.png")
    return folder


def run(folder: Path | str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["corpora.py", str(folder)])
    return corpora.main()


def numbers(printed: str) -> dict[str, int]:
    """The table of counts, which is the first paragraph."""
    lines = printed.split("\n\n")[0].splitlines()
    return {name.strip(): int(count) for name, count in (line.rsplit(None, 1) for line in lines)}


def test_every_file_is_a_photograph_or_rejected_with_a_reason(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = odd.parent / "table.csv"
    monkeypatch.setattr("sys.argv", ["corpora.py", str(odd), "--table", str(table)])
    assert corpora.main() == 0
    printed = capsys.readouterr().out
    counts = numbers(printed)
    assert [counts[name] for name in ("files", "photographs", "rejected")] == [6, 1, 5]
    assert (counts["crashes"], counts["unaccounted for"]) == (0, 0)
    rejected = printed.partition("rejected:\n")[2].partition("\n\n")[0].splitlines()
    assert sorted(line.strip() for line in rejected) == [
        "1 broken image",
        "1 broken link",
        "1 hidden file",
        "1 not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF image",
        "1 same bytes as another file of its class",
    ]
    lines = table.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 7
    assert any(line.startswith('whole.png,"photograph, 64 x 48",') for line in lines)


def test_a_file_that_ends_its_process_is_named(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fatal(raw: Path, places: dict[str, object], *rest: object) -> object:
        if "half.png" in places:
            os.kill(os.getpid(), signal.SIGKILL)
        if "text.jpg" in places:
            raise KeyError("what no one expected")
        return inspect_files(raw, places, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("corpora.inspect_files", fatal)
    assert run(odd, monkeypatch) == 1
    printed = capsys.readouterr().out
    assert numbers(printed)["crashes"] == 2
    assert "CRASH: half.png: signal 9" in printed
    assert "CRASH: text.jpg: KeyError: 'what no one expected'" in printed


def test_a_file_without_a_result_of_its_own_is_named(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "corpora.list_files", lambda raw: [path for path in list_files(raw) if path != "text.jpg"]
    )
    assert run(odd, monkeypatch) == 1
    printed = capsys.readouterr().out
    assert (numbers(printed)["files"], numbers(printed)["unaccounted for"]) == (6, 1)
    assert "UNACCOUNTED FOR: text.jpg" in printed


def test_a_file_that_takes_too_much_memory_or_never_ends_fails(
    odd: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def costly(raw: Path, places: dict[str, object], *rest: object) -> Iterator[object]:
        if "half.png" in places:
            signal.pause()
        taken = bytearray(64 * 2**20) if "whole.png" in places else b""
        yield from inspect_files(raw, places, *rest)  # type: ignore[arg-type]
        del taken

    monkeypatch.setattr("corpora.inspect_files", costly)
    monkeypatch.setattr(corpora, "MOST_MEBIBYTES", 50.0)
    monkeypatch.setattr(corpora, "PATIENCE", 2.0)
    assert run(odd, monkeypatch) == 1
    printed = capsys.readouterr().out
    assert numbers(printed)["above 50 MiB"] == 1
    assert "CRASH: half.png: no result after 2 s" in printed


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_without_a_folder_it_says_so(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(name, monkeypatch)
    assert caught.value.code == 2
    assert f"no such folder: '{name}'" in capsys.readouterr().err
