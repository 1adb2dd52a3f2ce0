"""Whether runs can be compared: on the same test photographs, with the same params."""

from collections.abc import Mapping, Sequence
from typing import Any

from ballast.core.errors import UserError
from ballast.core.manifest import Row, subset_rows


def check_comparable(
    manifests: Mapping[str, Sequence[Row]],
    params: Mapping[str, Mapping[str, Any]],
    allow_different_params: bool = False,
) -> None:
    """Refuse to compare what cannot be compared.

    Args:
        manifests: all photographs, by revision, the reference first.
        params: dotted keys, by revision.
        allow_different_params: compare although more than the strategy differs.

    Raises:
        UserError: where the classes or test photographs (path, class or content) of a revision are
            not those of the reference, or its params differ in more than the strategy.
    """
    reference, *others = manifests
    for name in others:
        first, second = (_content(manifests[revision]) for revision in (reference, name))
        differing = sorted({path for path, _ in first.items() ^ second.items()})
        if differing:
            one = differing[0]
            where = (
                f"only {reference} has it"
                if one not in second
                else f"only {name} has it"
                if one not in first
                else "it is not the same photograph"
            )
            raise UserError(
                f"{name}: {len(differing)} of its test photographs are not those of {reference},"
                f" {one} for one ({where}); compare runs with one seed, split and data.raw"
            )
        classes = [{row.class_ for row in manifests[revision]} for revision in (reference, name)]
        if classes[0] != classes[1]:
            odd = min(classes[0] ^ classes[1])
            raise UserError(f"{name}: its classes are not those of {reference}, {odd} for one")
    differing = [key for key in different_params(params) if not _of_strategy(key)]
    if differing and not allow_different_params:
        raise UserError(
            f"{' and '.join(params)} differ in more than the strategy: {', '.join(differing)};"
            " set them alike, or compare all the same with --allow-different-params"
        )


def different_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The params that are not the same in all revisions, sorted; None where one has no such param.

    Returns:
        By dotted key, the value by revision.
    """
    keys = sorted({key for values in params.values() for key in values})
    found = {key: {name: values.get(key) for name, values in params.items()} for key in keys}
    return {
        key: values
        for key, values in found.items()
        if any(value != next(iter(values.values())) for value in values.values())
    }


def _content(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    return {row.path: (row.class_, row.sha256) for row in subset_rows(rows, "test")}


def _of_strategy(key: str) -> bool:
    return key == "strategy" or key.startswith("strategies.")
