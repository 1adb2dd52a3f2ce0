"""Measure the web service and the job of docs/serving.md: their processor time and memory.

    python -m benchmarks.serving photos

Takes each program as the page has it, with models/model.keras of the project. Makes JPEG files of
500 x 400 pixels from the photographs in a folder, uploads --requests of them to the service, one
after the other, and puts 1/10 of --objects, then all, into a bucket of a simulated S3 for the job.
Needs Linux, and the groups dev and serving.
"""

import argparse
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import requests
from tabulate import tabulate

from benchmarks.prediction import write_photographs

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^Save this as `(\w+\.py)`.*?```python\n(.*?)```", PAGE, re.M | re.S))
KEYS = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "made")


def main() -> None:
    """Run the benchmark; print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--objects", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        shutil.copy("models/model.keras", folder / "models")
        for program, text in PROGRAMS.items():
            (folder / program).write_text(text, encoding="utf-8")
        (folder / "photos").mkdir()
        most = max(arguments.requests, arguments.objects)
        photos = write_photographs(arguments.photos, folder / "photos", most)
        service(folder, [*map(Path, photos[: arguments.requests])])
        job(folder, [*map(Path, photos[: arguments.objects])])


def service(folder: Path, photos: list[Path]) -> None:
    """Start the web service, and upload photographs one after the other."""
    port = free_port()
    command = ["uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    rows: list[list[object]] = []
    with running([sys.executable, "-m", *command], folder, f"http://127.0.0.1:{port}/docs") as pid:
        rows.append(["started", f"{cpu_seconds(pid):.1f}", f"{memory(pid):.2f}", ""])
        for label, some in (("the first", photos[:1]), (f"{len(photos) - 1} more", photos[1:])):
            before, seconds = cpu_seconds(pid), []
            for photo in some:
                start = time.perf_counter()
                files = {"image": photo.read_bytes()}
                requests.post(f"http://127.0.0.1:{port}/predict", files=files, timeout=600).json()
                seconds.append(time.perf_counter() - start)
            used = f"{cpu_seconds(pid) - before:.1f}"
            rows.append([label, used, f"{memory(pid):.2f}", f"{statistics.median(seconds):.3f}"])
    headers = ["web service", "processor s", "GiB at most", "median s of a request"]
    print(tabulate(rows, headers, tablefmt="github"), end="\n\n")


def job(folder: Path, photos: list[Path]) -> None:
    """Run the job over a bucket with a tenth of the photographs, then over one with all."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    there = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
    rows = []
    with running([sys.executable, "-m", "moto.server", "-p", str(port)], folder, url):
        s3 = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="made",
            aws_secret_access_key="made",  # of a simulated server
        )
        for count in (len(photos) // 10, len(photos)):
            s3.create_bucket(Bucket=f"photos-{count}")
            for photo in photos[:count]:
                s3.upload_file(str(photo), f"photos-{count}", photo.name)
            start = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "bucket.py", f"photos-{count}"], cwd=folder, env=there
            )
            _, _, used = os.wait4(process.pid, 0)
            rows.append([count, f"{time.perf_counter() - start:.1f}", f"{_gibibytes(used):.2f}"])
    print(tabulate(rows, ["objects", "s", "GiB at most"], tablefmt="github"))


def _gibibytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 2**20


def free_port() -> int:
    """A port that no program uses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, url: str) -> Iterator[int]:
    """Run a server until the end of the block, once it answers; yield its process's number."""
    there = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=there, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=1)  # a server of this program
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{command[2]} has ended") from None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """The most memory that a process has had, in GiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 2**20


if __name__ == "__main__":
    main()
