"""Plots are readable PNG files whose bytes depend only on the values."""

import io
import warnings

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from ballast.report.plots import confusion_plot, counts_plot, short_name

COUNTS = {
    "dog": {"train": 2, "val": 1, "test": 40},
    "human": {"train": 20, "val": 4, "test": 40},
}
ONE_CAT = np.array([[1, 0], [0, 0]])


def test_equal_values_give_equal_bytes() -> None:
    assert counts_plot(COUNTS) == counts_plot(COUNTS)
    names, matrix = ["cat", "dog"], np.array([[1, 0], [1, 1]])
    assert confusion_plot(names, matrix) == confusion_plot(names, matrix)


def test_a_users_own_settings_of_matplotlib_change_nothing() -> None:
    plain = counts_plot(COUNTS), confusion_plot(["cat", "dog"], ONE_CAT)
    settings = {"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 50, "xtick.labelsize": 4}
    with rc_context(settings):
        assert (counts_plot(COUNTS), confusion_plot(["cat", "dog"], ONE_CAT)) == plain


def test_other_values_give_another_picture() -> None:
    assert confusion_plot(["cat", "dog"], ONE_CAT) != confusion_plot(
        ["cat", "dog"], ONE_CAT.T[::-1]
    )
    fewer = {**COUNTS, "dog": {"train": 1, "val": 1, "test": 40}}
    assert counts_plot(COUNTS) != counts_plot(fewer)


@pytest.mark.parametrize("word", ["lilac_with_mildew_", "丁香叶片上的白粉病", "WWWW"])
def test_names_of_90_letters_leave_room_for_what_they_name(
    word: str, recwarn: pytest.WarningsRecorder
) -> None:
    names = [f"{word * 25:.89}{number}" for number in range(3)]
    assert [short_name(name)[-1] for name in names] == ["0", "1", "2"]
    assert {len(short_name(name)) for name in names} == {30}
    counts_plot(dict.fromkeys(names, COUNTS["dog"]) | COUNTS)
    confusion_plot(names, np.eye(3, dtype=np.int64))
    assert not [str(of.message) for of in recwarn], "constrained layout says if no room is left"


@pytest.mark.long
def test_counts_of_4000_classes_are_drawn() -> None:
    # At 0.15 inches a class, the picture would have more than the 2**16 pixels of Matplotlib.
    png = counts_plot({f"class {number}": COUNTS["dog"] for number in range(4000)})
    assert int.from_bytes(png[20:24], "big") < 2**16  # the height in the header of a PNG


def test_a_name_that_fits_stays_as_it_is() -> None:
    assert short_name("n" * 30) == "n" * 30
    assert short_name("begins with 14" + "n" * 2 + "and 15 at its end"[-15:]) == (
        "begins with 14…d 15 at its end"
    )


def test_a_subset_without_photographs_is_not_in_the_legend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels: list[list[str]] = []
    legend = Figure.legend

    def noted(figure: Figure, **options: object) -> object:
        labels.append(figure.axes[0].get_legend_handles_labels()[1])
        return legend(figure, **options)

    monkeypatch.setattr(Figure, "legend", noted)
    counts_plot(COUNTS)
    counts_plot({name: {**subsets, "val": 0} for name, subsets in COUNTS.items()})
    assert labels == [["train", "val", "test"], ["train", "test"]]


def test_no_version_or_date_is_written() -> None:
    for data in (counts_plot(COUNTS), confusion_plot(["cat", "dog"], ONE_CAT)):
        picture = Image.open(io.BytesIO(data))
        picture.load()
        assert set(picture.info) <= {"dpi"}
        assert picture.format == "PNG"


@pytest.mark.parametrize("name", ["$x", r"$\frac{1}{$", "_", "日本語", "a\nb", "<b>", " ", "%s"])
def test_any_name_is_drawn_as_it_is(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = confusion_plot(["cat", name], ONE_CAT)
        assert plain != confusion_plot(["cat", "dog"], ONE_CAT)
        assert counts_plot({**COUNTS, name: COUNTS["dog"]}) != counts_plot(COUNTS)


@pytest.mark.parametrize("count", [2, 41, 500])
def test_pictures_of_many_classes_stay_of_a_size_that_can_be_opened(count: int) -> None:
    names = [f"class {number}" for number in range(count)]
    for data in (
        counts_plot(dict.fromkeys(names, COUNTS["dog"])),
        confusion_plot(names, np.eye(count, dtype=np.int64)),
    ):
        width, height = Image.open(io.BytesIO(data)).size
        assert width <= 2500
        assert height <= 10_000
