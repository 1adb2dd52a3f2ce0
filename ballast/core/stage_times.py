"""How long stages took when they last ran here, and how long runs will take."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil  # type: ignore[import-untyped]

from ballast.core import paths
from ballast.core.errors import UserError
from ballast.core.files import read_json, write_json

# What DVC needs to prepare an experiment and to store its outputs: one of the sample took 20.9 s,
# and the stages that ran in it 17.0 s.
EXPERIMENT_SECONDS = 4.0


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Store how long a stage has taken since its process started, if it succeeds.

    The times are in a cache outside the outputs, which have the same bytes each time.
    """
    yield
    seconds = time.time() - psutil.Process().create_time()
    try:
        write_json(paths.STAGE_TIMES, {**stage_times(), stage: round(seconds, 1)})
    except UserError:  # a disk that is full or read-only: the stage has succeeded
        return


def stage_times() -> dict[str, float]:
    """Seconds of each stage that has run here, by its name; empty if unknown."""
    try:
        found = dict(read_json(paths.STAGE_TIMES))
        return {stage: float(seconds) for stage, seconds in found.items()}
    except (UserError, TypeError, ValueError):
        return {}


def duration_of(experiments: int, at_a_time: int, seconds: Mapping[str, float]) -> str:
    """Say how long experiments are going to take, from how long the stages took.

    Args:
        experiments: number of runs of the whole pipeline.
        at_a_time: number of them that run at a time, as fast as one alone.
        seconds: result of stage_times.

    Returns:
        Such as "about 2 minutes"; empty if a stage's time is unknown.
    """
    if not {"oversample", "train", "evaluate"} <= seconds.keys():
        return ""
    total = experiments / at_a_time * (sum(seconds.values()) + EXPERIMENT_SECONDS)
    if total < 90:
        return f"about {max(10, round(total, -1)):.0f} seconds"
    if total < 5400:
        return f"about {total / 60:.0f} minutes"
    return f"about {total / 3600:.0f} hours"
