"""Live metrics during training, for dvc exp show and DVC's editor extension."""

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
        epochs: maximum number over all phases of training.

    Yields:
        The callback that updates it.
    """
    with tqdm(total=epochs, unit=" epochs", mininterval=1) as progress:

        def show(_: int, logs: Mapping[str, float]) -> None:
            progress.set_postfix(logs, refresh=False)
            progress.update()

        yield keras.callbacks.LambdaCallback(on_epoch_end=show)


@contextmanager
def live_values(folder: Path) -> Iterator[list[keras.callbacks.Callback]]:
    """Let DVCLive write the values of the latest epoch to metrics.json in a folder.

    The files are removed when training ends, so they are not outputs and change no bytes. DVCLive
    creates no report, experiment, commit or dvc.yaml, and uses no network.

    Args:
        folder: folder used only for this.

    Yields:
        A list with the callback; empty if DVCLive is not installed or DVC did not start the
        process.

    Raises:
        UserError: if the folder cannot be written to.
    """
    if "DVC_ROOT" not in os.environ:
        yield []
        return
    # With a DVC Studio token, DVCLive would otherwise send every value there.
    os.environ["DVC_STUDIO_OFFLINE"] = "true"
    try:
        # Imported here because it takes 1 s: it imports most of DVC.
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
