"""The chosen epoch has the first lowest loss that counts; only valid histories are read."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.core.files import write_csv
from ballast.scores.history import best_loss, chosen_epoch, is_solved, read_history


def test_a_history_comes_back_by_column(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_csv(path, ["step", "loss", "val_loss"], [[1, 0.5, 0.75], [2, 0.25, 1.0]])
    assert read_history(path) == {"loss": [0.5, 0.25], "val_loss": [0.75, 1.0]}


def test_a_history_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for text in ("step,loss\n", "step,accuracy\n1,0.5\n", "step,loss\n1,much\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="edited or damaged"):
            read_history(path)


def test_a_solver_has_a_gradient_and_no_epochs() -> None:
    assert is_solved({"loss": [1, 0.5], "gradient_norm": [0.1, 1e-13]})
    assert not is_solved({"loss": [1, 0.5], "val_loss": [1, 2]})


@pytest.mark.parametrize(
    ("history", "min_epochs", "epoch"),
    [
        ({"loss": [1, 1, 1], "val_loss": [0.1, 0.3, 0.2]}, 1, 1),
        ({"loss": [1, 1, 1], "val_loss": [0.1, 0.3, 0.2]}, 2, 3),
        ({"loss": [1, 1, 1], "val_loss": [0.1, 0.2, 0.2]}, 2, 2),
        ({"loss": [0.3, 0.1, 0.2]}, 1, 2),
        ({"loss": [0.3, 0.1, 0.2], "val_loss": [1, 2, 3]}, 20, 3),
    ],
)
def test_the_epoch_chosen_is_the_first_of_lowest_val_loss_from_min_epochs_on(
    history: dict[str, list[float]], min_epochs: int, epoch: int
) -> None:
    assert chosen_epoch(history, min_epochs) == epoch


@pytest.mark.parametrize(
    ("history", "min_epochs", "loss"),
    [
        ({"loss": [1, 1, 1], "val_loss": [0.1, 0.3, 0.2]}, 1, 0.1),
        ({"loss": [1, 1, 1], "val_loss": [0.1, 0.3, 0.2]}, 2, 0.2),
        ({"loss": [0.3, 0.1, 0.2]}, 1, 0.1),
        ({"loss": [0.1, 0.3, 0.2], "val_loss": [3, 1, 2]}, 20, 2),
    ],
)
def test_the_best_loss_is_that_of_the_chosen_epoch(
    history: dict[str, list[float]], min_epochs: int, loss: float
) -> None:
    assert best_loss(history, min_epochs) == loss
