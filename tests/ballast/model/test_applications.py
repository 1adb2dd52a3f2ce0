"""A backbone is a name that is known, or a file."""

from pathlib import Path

import pytest

from ballast.core.errors import UserError
from ballast.model.applications import refuse_unknown


def test_names_and_files_are_known(tmp_path: Path) -> None:
    (tmp_path / "mine.keras").touch()
    for name in ("cnn", "efficientnet_lite0", "resnet50", str(tmp_path / "mine.keras")):
        refuse_unknown(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet5", "did you mean resnet50"),
        ("efficientnet-lite0", "did you mean efficientnet_lite0"),
        ("pretrained/none.keras", "docs/backbones.md lists the names"),
    ],
)
def test_the_nearest_name_is_proposed(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        refuse_unknown(name)
    assert str(caught.value) == (
        f"params.yaml: train.backbone: {name}: neither a known backbone nor a file; {hint}"
    )
