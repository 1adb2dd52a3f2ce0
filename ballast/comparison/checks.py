"""Check that runs are comparable: same photographs, same params except the strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

from ballast.core.errors import UserError
from ballast.core.manifest import Row


def check_comparable(
    manifests: Mapping[str, Sequence[Row]],
    classes: Mapping[str, Sequence[str]],
    params: Mapping[str, Mapping[str, Any]],
    allow_different_params: bool = False,
    varied: str = "",
) -> None:
    """Raise an error if revisions are not comparable.

    Args:
        manifests: the judged photographs, by revision, the reference first.
        classes: all classes, those that were not judged, too, by revision.
        params: params with dotted keys, by revision.
        allow_different_params: accept differences in params other than the strategy.
        varied: a key that may differ.

    Raises:
        UserError: if the classes or judged photographs (path, class or content) of a revision
            differ from the reference's, or if other params than the strategy differ.
    """
    reference, *others = manifests
    for name in others:
        odd = sorted({*classes[reference]} ^ {*classes[name]})
        if odd:
            only = reference if odd[0] in classes[reference] else name
            raise UserError(
                f"{name}: its classes differ from those of {reference}: only {only} has {odd[0]};"
                " compare runs of the same data.raw"
            )
        first, second = (_content(manifests[revision]) for revision in (reference, name))
        differing = sorted({path for path, _ in first.items() ^ second.items()})
        if differing:
            one = differing[0]
            where = (
                f"only {reference} has it"
                if one not in second
                else f"only {name} has it"
                if one not in first
                else "its class or content differs"
            )
            raise UserError(
                f"{name}: {len(differing)} judged photographs differ from those of {reference}, for"
                f" example {one} ({where}); compare runs with the same seed, split and data.raw"
            )
    differing = [key for key in different_params(params) if not _may_differ(key, varied)]
    if differing and not allow_different_params:
        raise UserError(
            f"{' and '.join(params)} differ in more than the strategy: {', '.join(differing)};"
            " use the same values, or compare anyway with --allow-different-params"
        )


def different_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Find the params that differ between revisions.

    Returns:
        By sorted dotted key, the value in each revision; None if the revision lacks that param.
    """
    keys = sorted({key for values in params.values() for key in values})
    found = {key: {name: values.get(key) for name, values in params.items()} for key in keys}
    return {
        key: values
        for key, values in found.items()
        if any(value != next(iter(values.values())) for value in values.values())
    }


def _content(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    return {row.path: (row.class_, row.sha256) for row in rows}


def _may_differ(key: str, varied: str) -> bool:
    return key in ("strategy", varied) or key.startswith(("strategies.", f"{varied}."))
