"""The conditions that must not change a byte."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# A user's own settings, each of which would change an output if it took effect.
HOME_FILES = {
    ".gitconfig": "[core]\n\tautocrlf = true\n",
    ".config/dvc/config": "[core]\n    autostage = true\n[cache]\n    type = symlink\n",
    ".config/matplotlib/matplotlibrc": "font.size: 20\nsavefig.dpi: 50\naxes.facecolor: red\n",
    ".keras/keras.json": '{"floatx": "float16", "backend": "jax", "epsilon": 0.1}\n',
}
TOOLS = ("faketime", "taskset", "unshare", "qemu-x86_64")
# Stages that run without AVX, which TensorFlow's wheels need.
DATA_STAGES = ("count-classes", "oversample", "compute-weights")
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
# Kernels of NumPy's OpenBLAS that any x86-64 processor with AVX2 can run.
OPENBLAS_KERNELS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen")


class Difference(NamedTuple):
    """How a run differs from the reference; the defaults are those of the reference."""

    name: str
    folder: str = "clone"
    command: tuple[str, ...] = ()  # prefix of each command
    environment: Mapping[str, str] = {}
    workers: int = 0
    engine: str = "local"
    umask: int = 0o022
    reversed_raw: bool = False  # the photographs are created in the opposite order
    processor: str = ""  # to emulate, by its name in qemu


def single_differences(home: Path) -> list[Difference]:
    """List the differences that are tested one by one.

    Args:
        home: a folder to fill and use as another user's home.
    """
    for name, text in HOME_FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    settings = {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    }
    return [
        Difference("the same again"),
        Difference("folder 'ä folder'", folder="ä folder"),
        Difference("one core", command=("taskset", "--cpu-list", "0")),
        Difference("workers 1", workers=1),
        Difference("workers 2", workers=2),
        Difference("workers 7", workers=7),
        Difference("PYTHONHASHSEED 1", environment={"PYTHONHASHSEED": "1"}),
        Difference("locale C", environment={"LC_ALL": "C"}),
        *(
            Difference(f"locale {name}", environment={"LC_ALL": name})
            for name in _foreign_locales()
        ),
        Difference(
            "another day and time zone",
            command=("faketime", "2031-02-28 23:59:50"),
            environment={"TZ": "Pacific/Kiritimati"},
        ),
        Difference("umask 077", umask=0o077),
        Difference(
            "another user and home",
            command=("unshare", "--user", "--map-user=12345"),
            environment={"HOME": str(home), "USER": "other", "LOGNAME": "other"},
        ),
        Difference("photographs in reverse", reversed_raw=True),
        Difference("settings of oneDNN and others", environment=settings),
        Difference("without the GPU", environment=WITHOUT_GPU),
    ]


def together(differences: Sequence[Difference]) -> Difference:
    """Combine differences into one; later values override earlier ones."""
    merged = Difference("all of these together")
    for difference in differences:
        merged = Difference(
            merged.name,
            difference.folder if difference.folder != "clone" else merged.folder,
            (*merged.command, *difference.command),
            {**merged.environment, **difference.environment},
            difference.workers or merged.workers,
            merged.engine,
            difference.umask if difference.umask != 0o022 else merged.umask,
            difference.reversed_raw or merged.reversed_raw,
        )
    return merged


def other_engines() -> list[Difference]:
    """Other engines for the data stages; they cannot be combined with a faked clock."""
    return [Difference("engine dask", workers=2, engine="dask")]


def old_processors() -> list[Difference]:
    """An emulated processor of 2008."""
    return [Difference("processor Nehalem", processor="Nehalem")]


def other_processors() -> list[Difference]:
    """An emulated processor, and the kernels that libraries choose on other processors."""
    tensorflow = {
        "oneDNN off": "TF_ENABLE_ONEDNN_OPTS=0",
        "oneDNN with SSE4.1": "ONEDNN_MAX_CPU_ISA=SSE41",
        "oneDNN with all instruction sets": "ONEDNN_MAX_CPU_ISA=ALL",
    }
    return [
        Difference("processor Haswell", processor="Haswell"),
        *(
            Difference(f"OpenBLAS for {name}", environment={"OPENBLAS_CORETYPE": name})
            for name in OPENBLAS_KERNELS
        ),
        *(
            Difference(name, environment={"BALLAST_TENSORFLOW": setting})
            for name, setting in tensorflow.items()
        ),
        Difference("NumPy without AVX2", environment={"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"}),
        Difference("one core", command=("taskset", "--cpu-list", "0")),
    ]


def missing_tool(difference: Difference) -> str | None:
    """The first program or package that a difference needs and this machine lacks."""
    needed = [*difference.command, *(["qemu-x86_64"] if difference.processor else [])]
    if difference.engine == "dask" and not find_spec("distributed"):
        return "dask"
    if difference.environment == WITHOUT_GPU and not has_gpu():
        return "a GPU that TensorFlow can use"
    return next((word for word in needed if word in TOOLS and not shutil.which(word)), None)


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU; it is asked only where there is NVIDIA's driver."""
    if not shutil.which("nvidia-smi"):
        return False
    asked = "import tensorflow; print(tensorflow.config.list_physical_devices('GPU'))"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=False
    )
    return "PhysicalDevice" in done.stdout


def _foreign_locales() -> list[str]:
    """Installed locales with other rules for letters or numbers (Turkish, German)."""
    try:
        known = subprocess.run(["locale", "-a"], capture_output=True, check=False).stdout.decode()
    except OSError:
        return []
    foreign = [name for name in known.split() if name.startswith(("tr_TR", "de_DE"))]
    unicode = [name for name in foreign if "utf" in name.lower()]
    return [*[name for name in foreign if name not in unicode][:1], *unicode[:1]]
