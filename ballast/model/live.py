"""The values of each epoch while a training runs, for dvc exp show and DVC's editor extension."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from ballast.core.files import writing
from ballast.keras_setup import keras


@contextmanager
def epoch_progress(epochs: int) -> Iterator[keras.callbacks.Callback]:
    """Show a progress bar with the latest epoch's values.

    Args:
        epochs: at most, of all phases of the training.

    Yields:
        The callback that moves it.
    """
    with tqdm(total=epochs, unit=" epochs", mininterval=1) as progress:

        def show(_: int, logs: Mapping[str, float]) -> None:
            progress.set_postfix(logs, refresh=False)
            progress.update()

        yield keras.callbacks.LambdaCallback(on_epoch_end=show)


@contextmanager
def live_values(folder: Path) -> Iterator[list[keras.callbacks.Callback]]:
    """Let DVCLive write the latest epoch's values to metrics.json of a folder.

    Nothing of it stays when the training ends, so it is no output and changes no bytes. DVCLive
    makes no report, experiment, commit or dvc.yaml, and uses no network.

    Args:
        folder: its own.

    Yields:
        The callback; none where DVCLive is not installed, or DVC does not run this.

    Raises:
        UserError: where the folder cannot be written to.
    """
    if "DVC_ROOT" not in os.environ:
        yield []
        return
    # Someone's token for DVC Studio would make it send every value there.
    os.environ["DVC_STUDIO_OFFLINE"] = "true"
    try:
        # Here, not above: 1 s, for importing most of DVC.
        from dvclive.keras import DVCLiveCallback
        from dvclive.live import Live
    except ImportError:
        yield []
        return
    try:
        with writing(folder), Live(str(folder), save_dvc_exp=False, dvcyaml=None) as live:
            yield [DVCLiveCallback(live=live)]
    finally:
        shutil.rmtree(folder / "plots", ignore_errors=True)
        (folder / "metrics.json").unlink(missing_ok=True)
