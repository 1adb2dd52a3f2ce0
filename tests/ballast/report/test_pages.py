"""The HTML pages: their contents, their order, and that names are escaped."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import fields
from projects import environment

from ballast.comparison.page import comparison_page, run_page
from ballast.comparison.runs import answer, compare
from ballast.core.params import Augment
from ballast.report.pages import (
    CONFUSIONS,
    KNOBS,
    contact_sheets,
    param_rows,
    points,
    yaml_scalar,
)
from ballast.report.pictures import SHEET_CLASSES, Explained, RunPictures
from ballast.scores.advice import Recommendation
from ballast.scores.explanations import Explanations
from ballast.scores.intervals import Interval
from ballast.scores.judged import judged_by
from ballast.scores.run import Arm, Run

ROOT = Path(__file__).parents[3]
NAMES = ["dog", "human", "snake"]
HOSTILE = [
    "<script>alert(1)</script>",
    '"onload="alert(2)',
    "'><img src=x onerror=alert(3)>",
    "{{ 7 * 7 }}",
    "</title></style><script>alert(4)</script>",
    "&amp;",
    "日本語",
    "עברית",
    "n" * 200,
]
MakeRun = Callable[..., Run]
MakePictures = Callable[..., RunPictures]
MakeExplained = Callable[[Run], Explained]
BothPages = Callable[[Sequence[str]], list[str]]


class Page(HTMLParser):
    """The tags and text of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag with its attributes."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Keep text."""
        self.text += data

    def values(self, attribute: str) -> list[str]:
        """The values of an attribute, of all tags."""
        return [found[attribute] for _, found in self.tags if attribute in found]


def arm(run: Run) -> Arm:
    """A run as the reference of another."""
    return Arm(run.name, run.judged, run.cross_validated, run.metrics)


def report(
    run: Run,
    pictures: RunPictures,
    reference: Arm | None = None,
    advice: Sequence[str] = (),
    explained: Explained | None = None,
) -> str:
    """The page of one run."""
    found = answer(run, reference, dict.fromkeys(advice, 2))
    if advice:
        found = found._replace(recommendations=[Recommendation("", text, text) for text in advice])
    return run_page(run, reference, found, pictures, explained)


def comparison(runs: Sequence[Run], pictures: Sequence[RunPictures]) -> str:
    """The page of several runs."""
    return comparison_page(compare(runs, seed=1), runs, pictures)


def words(html: str) -> str:
    """The text of a page, its lines joined."""
    return " ".join(Page(html).text.split())


@pytest.fixture
def both_pages(
    make_run: MakeRun, make_pictures: MakePictures, make_explained: MakeExplained
) -> BothPages:
    """The page of one run, and that of two, over the classes that are asked for."""

    def make(classes: Sequence[str]) -> list[str]:
        runs = [make_run(name, classes) for name in ("baseline", "balanced")]
        pictures = [make_pictures(run) for run in runs]
        return [
            report(runs[1], pictures[1], arm(runs[0]), ["Do more."], make_explained(runs[1])),
            comparison(runs, pictures),
        ]

    return make


def test_sections_come_in_the_order_of_what_people_ask(both_pages: BothPages) -> None:
    explained = ["looks", "labels", "more"]
    of_page: Sequence[tuple[list[str], list[str]]] = ((["left_out"], explained), ([], []))
    for html, (left_out, found) in zip(both_pages(NAMES), of_page, strict=True):
        labels = [of["aria-labelledby"] for tag, of in Page(html).tags if tag == "section"]
        assert labels == [
            "recommendations", "recall", "counts", *left_out, "confusion", "training",
            "reliability", "augmentations", "mistakes", *found, "figures", "params",
        ]  # fmt: skip
        assert html.index('class="verdict"') < html.index("<section")


def test_the_figures_of_every_run_are_on_the_page(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    runs = [make_run(name, NAMES) for name in ("baseline", "balanced", "batches")]
    text = words(comparison(runs, [*map(make_pictures, runs)]))
    for run in runs:
        assert f"{run.name}: expected calibration error 15 points" in text
        assert f"The 3 epochs of {run.name} as a table" in text
    for name in ("balanced", "batches"):
        same = f"No significant difference between this model of {name} and this model of baseline:"
        assert text.count(f"{same} balanced accuracy 75 % against 75 % on the 8 test") == 1
        assert text.count(f"{same} 75 % against 75 % (difference 0 points") == 2
    assert text.count("No photographs of this class were judged.") == 2
    assert "The highest balanced accuracy is partly the luckiest: expect it to be about" in text
    assert text.count("epoch 2 chosen") == 6  # loss and accuracy of each


def test_a_run_is_shown_beside_its_reference(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    baseline, run = (make_run(name, NAMES) for name in ("baseline", "balanced"))
    found = answer(run, arm(baseline), {})
    assert found.difference
    html = report(run, make_pictures(run), arm(baseline))
    text = words(html)
    verdicts = [" ".join(said.split()) for said in (found.difference.verdict, found.verdict)]
    assert text.index(verdicts[0]) < text.index(verdicts[1]), "what balancing changed comes first"
    for said in found.difference.verdicts.values():
        assert " ".join(said.split()) in text
    bars = html[html.index('id="recall"') : html.index('id="counts"')]
    assert bars.count('<th scope="row">baseline</th>') == len(NAMES)
    assert bars.count('<th scope="row">balanced</th>') == len(NAMES)


def test_without_a_reference_a_run_is_shown_alone(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    run = make_run("balanced", NAMES)
    html = report(run, make_pictures(run))
    assert html.count('class="verdict"') == 1
    assert '<th scope="row">recall</th>' in html
    assert "verdict-row" not in html[html.index("<body") :]


def test_the_page_says_what_its_intervals_are_of(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    run = make_run("balanced", NAMES)
    alone = words(report(run, make_pictures(run)))
    assert (
        "19 of 20 that are made like this hold the share that very many photographs like these"
        " would show."
    ) in alone
    assert (
        "One model judged each photograph, so nothing is known of what luck in training"
        " contributes."
    ) in alone
    assert "that had not seen" not in alone
    three = [*run.predictions] * 3
    several = run._replace(judged=judged_by(three), predictions=three, cross_validated=True)
    text = words(report(several, make_pictures(several)))
    assert "is classified correctly, by models that had not seen them. Lines are" in text
    assert "very many photographs like these, and very many trainings, would show." in text
    assert "luck in training" not in text
    assert "The saved model alone" not in text
    unlucky = several._replace(saved_accuracy=Interval(0.25, 0.1, 0.5))
    assert "The saved model alone classifies 25 % of its test photographs correctly" in words(
        report(unlucky, make_pictures(unlucky))
    )
    assert "Number of judgements by true class (rows) and predicted class" in text
    assert "(columns): 3 models judged each photograph" in text


def test_of_a_head_the_page_shows_its_optimum_and_no_curves(
    make_run: MakeRun, make_pictures: MakePictures, with_head: Callable[[Run], Run]
) -> None:
    run = with_head(make_run("balanced", NAMES))
    html = report(run, make_pictures(run))
    text = words(html)
    assert (
        "loss has a single minimum, which the solver finds wherever it starts; it came close in 2"
        " iterations. So the fit needs no validation set for early stopping."
    ) in text
    assert (
        "Strength of the penalty on large weights: 0.1, chosen by cross-validation over the"
        " training photographs (held-out log loss, lower is better: 0.61 with 1, 0.42 with 0.1,"
        " 0.50 with 0.01). The probabilities were calibrated on held-out photographs, also those of"
        " rare classes; how well that worked stands under Calibration."
    ) in text
    head = text[text.index("A linear head was fitted") :]
    in_words, figures = head.split("The calibration and the first 2 iterations in figures")
    for word in ("tau", "gradient", "logit"):
        assert word not in in_words, word
    assert figures.strip().startswith(
        "Penalty 0.1. The logits are multiplied by 1.25, and that of a"
    )
    assert "is raised by 0.70 · log N" in figures
    assert "an iteration is. iteration loss gradient_norm 0 1.1 0.3 1" in text
    assert html.count("<svg") == 1, "the reliability diagram alone"
    for word in ("epoch", "validate", "validation (solid)"):
        assert word not in text.replace("cross-validate", ""), word
    assert "1 training, 4 test" in text


def test_a_head_of_fixed_values_is_said_to_be_one(
    make_run: MakeRun, make_pictures: MakePictures, with_head: Callable[[Run], Run]
) -> None:
    run = with_head(make_run("balanced", NAMES))
    assert run.training.head
    fixed = run.training._replace(head=run.training.head._replace(losses={}))
    text = words(report(run._replace(training=fixed), make_pictures(run)))
    assert (
        "The penalty on large weights and the calibration of the probabilities are fixed, since a"
        " class has too few photographs to hold any out."
    ) in text
    assert "cross-validation" not in text


@pytest.mark.parametrize("head_first", [True, False])
def test_a_page_may_have_a_head_beside_a_network(
    make_run: MakeRun,
    make_pictures: MakePictures,
    with_head: Callable[[Run], Run],
    head_first: bool,
) -> None:
    runs = [make_run("network", NAMES), with_head(make_run("head", NAMES))]
    runs = runs[::-1] if head_first else runs
    html = comparison(runs, [*map(make_pictures, runs)])
    text = words(html)
    assert html.count("<svg") == 4, "two curves, two reliability diagrams"
    assert "The 3 epochs of network as a table" in text
    assert "The calibration and the first 2 iterations of head in figures" in text
    ids = Page(html).values("id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("classes", [HOSTILE, HOSTILE[::-1]])
def test_names_are_shown_and_never_run(
    make_run: MakeRun,
    make_pictures: MakePictures,
    make_explained: MakeExplained,
    classes: list[str],
) -> None:
    runs = [make_run(name, classes, path=HOSTILE[4] + "{}{}") for name in HOSTILE[:2]]
    pictures = [make_pictures(run) for run in runs]
    for html in (
        report(runs[0], pictures[0], arm(runs[1]), HOSTILE, make_explained(runs[0])),
        comparison(runs, pictures),
    ):
        page = Page(html)
        assert "script" not in {tag for tag, _ in page.tags}
        assert not [name for _, found in page.tags for name in found if name.startswith("on")]
        assert all(source.startswith("data:image/jpeg;base64,") for source in page.values("src"))
        for name in classes:
            assert name in page.text


def test_nothing_is_fetched_and_the_page_forbids_it(both_pages: BothPages) -> None:
    for html in both_pages(NAMES):
        page = Page(html)
        policy = next(found for _, found in page.tags if "http-equiv" in found)["content"]
        assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        assert "http" not in html.replace("http-equiv", "")
        assert all(link.startswith(("data:,", "#")) for link in page.values("href"))


def test_ids_are_unique(both_pages: BothPages) -> None:
    for html in both_pages(NAMES):
        ids = Page(html).values("id")
        assert len(ids) == len(set(ids)) > 10


def test_every_picture_has_a_name_for_those_who_do_not_see_it(both_pages: BothPages) -> None:
    for html in both_pages(NAMES):
        tags = Page(html).tags
        assert all(found.get("alt") for tag, found in tags if tag == "img")
        assert all(found.get("aria-label") for _, found in tags if found.get("role") == "img")
        svgs = html.count("<svg")
        assert svgs == sum(found.get("role") == "img" for _, found in tags)


def test_a_photograph_that_is_gone_is_said_to_be(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    run = make_run("balanced", NAMES)
    pictures = make_pictures(run)
    html = report(run, pictures)
    assert html.count(">unavailable<") == len(pictures.mistakes) - 1 > 0


def test_what_was_explained_is_shown_with_its_words(
    make_run: MakeRun, make_pictures: MakePictures, make_explained: MakeExplained
) -> None:
    run = make_run("balanced", NAMES)
    explained = make_explained(run)
    html = report(run, make_pictures(run), explained=explained)
    text = words(html)
    first, last = NAMES[0], NAMES[-1]
    assert f"95 % of the evidence for {first} lies in the top left of the photographs" in text
    assert f"All 12 photographs of {last} that were looked at have a spot of one colour" in text
    assert "(#f9c812) at the border, and no others do" in text
    assert text.count("looks like") == len(explained.found.label_issues)
    assert "The last step changed recall by +20 points (+10 to +50)" in text
    assert text.count("what speaks for") >= len(explained.found.label_issues)


def test_without_anything_to_explain_the_page_is_as_before(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    run = make_run("balanced", NAMES)
    nothing = Explained(Explanations(), {}, {})
    html = report(run, make_pictures(run), explained=nothing)
    assert html == report(run, make_pictures(run))
    assert 'id="looks"' not in html


def test_a_page_of_many_classes_stays_small(make_run: MakeRun, make_pictures: MakePictures) -> None:
    names = [f"class {number:04d} {'n' * 200}" for number in range(300)]
    run = make_run("balanced", names)
    html = report(run, make_pictures(run))
    page = Page(html)
    images = [found for tag, found in page.tags if tag == "img"]
    assert len(images) == 4 * SHEET_CLASSES + 1
    assert f"The {CONFUSIONS} most frequent mistakes among 300 classes" in " ".join(
        page.text.split()
    )
    assert len(html) < 3_000_000


def test_equal_values_give_equal_bytes_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(
        """
import sys
import numpy as np
from pathlib import Path
from ballast.comparison.page import run_page
from ballast.comparison.runs import answer
from ballast.report.pictures import RunPictures
from ballast.scores.estimates import strategy_intervals
from ballast.scores.judged import judged_by
from ballast.scores.predictions import Predictions
from ballast.scores.run import Run, Training
names = ["cat", "dog", "eel"]
predictions = Predictions(names, ["a", "b"], ["cat", "eel"],
                          np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]))
counts = {name: {"train": 2, "val": 1, "test": 1} for name in names}
of_model = judged_by([predictions])
run = Run("balanced", of_model, False, strategy_intervals(of_model), [predictions], counts,
          dict.fromkeys(names, 2), dict.fromkeys(names, 1.0),
          Training("cnn", None), {"loss": [1, 0.5]}, 1,
          {"strategy": "balanced", "strategies.balanced.oversample": True,
           "strategies.balanced.class_weights": None,
           "strategies.balanced.balanced_batches": False}, {})
page = run_page(run, None, answer(run, None, {}), RunPictures({}, []))
sys.stdout.buffer.write(page.encode())
"""
    )
    pages = {
        subprocess.run(
            [sys.executable, str(script)],
            cwd=ROOT,
            env=environment()
            | {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(pages) == 1
    assert pages.pop().count(b"<svg") == 3


def test_contact_sheets_of_equal_beginnings_are_shown_once(
    make_run: MakeRun, make_pictures: MakePictures
) -> None:
    runs = [make_run(name, NAMES) for name in ("few", "many")]
    few, many = make_pictures(runs[0], images=2), make_pictures(runs[1], images=4)
    assert contact_sheets(runs, [few, many]) == [
        {"name": name, "rows": [(["many", "few"], many.sheets[name])]} for name in NAMES
    ]
    other = few._replace(sheets=dict.fromkeys(NAMES, many.sheets["dog"][1:3]))
    assert [len(sheet["rows"]) for sheet in contact_sheets(runs, [other, many])] == [2, 2, 2]


def test_params_that_differ_are_told_from_those_that_do_not(make_run: MakeRun) -> None:
    one, two = make_run("one", NAMES), make_run("two", NAMES)
    two = two._replace(params={**two.params, "strategies.two.oversample": False})
    assert param_rows([one, two]) == {
        "seed": [42, 42],
        "strategy": ["one", "two"],
        "strategies.*.oversample": [True, False],
        "strategies.*.class_weights": [None, None],
        "strategies.*.balanced_batches": [False, False],
        "split.group": ["test/{}/{}.png"] * 2,
    }


@pytest.mark.parametrize(
    ("difference", "shown"),
    [
        (0.126, "+13"),
        (0.025, "+3"),
        (-0.05, "\N{MINUS SIGN}5"),
        (0.001, "±0"),
        (None, "\N{EN DASH}"),
    ],
)
def test_points_have_a_sign(difference: float | None, shown: str) -> None:
    assert points(difference) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (None, "null"), (20.0, "20"), (0.001, "0.001"), ("", "''"), ("none", "none")],
)
def test_params_are_written_as_params_yaml_has_them(value: object, shown: str) -> None:
    assert yaml_scalar(value) == shown


def test_every_param_of_augmentation_is_named_with_what_it_may_spoil() -> None:
    named = {key for keys in KNOBS.values() for key in keys}
    others = {"factor", "quality", "pack"}  # they leave the picture as it is, or nearly
    assert named | others == {field.name for field in fields(Augment)}
