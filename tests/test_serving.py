"""The programs in docs/serving.md, as they stand there."""

import csv
import http.client
import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from chromium import chromium
from PIL import Image
from projects import Project
from selenium.webdriver.common.by import By
from servers import free_port, needed, s3_server, serving

from ballast.classifier import Classifier

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^Save this as `(\w+\.py)`.*?```python\n(.*?)```", PAGE, re.M | re.S))


def command(begin: str) -> list[str]:
    """The command on the page that begins so."""
    (found,) = re.findall(rf"^(?:uv run )?({re.escape(begin)}.*)$", PAGE, re.MULTILINE)
    return str(found).split()


def saved(name: str, project: Project) -> Classifier:
    """Save a program of the page in a project; return the classifier that it will load."""
    (project.folder / name).write_text(PROGRAMS[name], encoding="utf-8")
    return Classifier.load(project.folder / "models/model.keras")


def as_jpeg(photo: Path) -> bytes:
    file = io.BytesIO()
    Image.open(photo).save(file, "JPEG")
    return file.getvalue()


def post(port: int, data: bytes) -> tuple[int, Any]:
    """Upload an image as curl -F does; return the status and the JSON of the answer."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/predict", head + data + b"\r\n--x--\r\n", kind)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_the_web_service_answers_many_at_once_and_refuses_with_the_reason(
    features_project: Project,
) -> None:
    classifier = saved("app.py", features_project)
    photos = [p.read_bytes() for p in (features_project.folder / "data/raw").glob("*/*.png")]
    large = io.BytesIO()
    Image.new("1", (6000, 6000)).save(large, "PNG")
    refused = [
        (b"no image\n" * 100, 422, "not a JPEG, PNG,"),
        (
            as_jpeg(next((features_project.folder / "data/raw").glob("*/*.png")))[:400],
            422,
            "broken",
        ),
        (large.getvalue(), 422, "36 megapixels, more than"),
        (bytes(20_000_000), 413, "larger than 20,000,000 bytes"),
    ]
    port = free_port()
    program, *arguments = command("uvicorn")
    line = [needed(program, shutil.which(program), "make setup-dev"), *arguments]
    with serving([*line, "--port", str(port)], port, features_project.folder):
        with ThreadPoolExecutor(8) as pool:
            sent = (photos * 200)[:200]
            answers = list(pool.map(lambda data: post(port, data), sent))
        expected = [classifier.predict(data)._asdict() for data in photos]
        assert answers == [(200, said) for said in (expected * 200)[:200]]
        for data, status, reason in refused:
            found, said = post(port, data)
            assert (found, said["detail"][: len(reason)]) == (status, reason)
            assert post(port, photos[0]) == (200, expected[0])


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of an empty bucket, as programs of this environment get it."""
    with s3_server() as remote:
        monkeypatch.setenv("AWS_ENDPOINT_URL", remote.settings["endpointurl"])
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", remote.settings["access_key_id"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", remote.settings["secret_access_key"])
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.client("s3")


@pytest.mark.long
def test_the_job_accounts_for_every_object_of_a_bucket(
    bucket: Any,  # noqa: ANN401  # boto3 has no types
    features_project: Project,
) -> None:
    classifier = saved("bucket.py", features_project)
    photo = next((features_project.folder / "data/raw").glob("*/*.png"))
    good = [f"photos/2026/{number:04d}.png" for number in range(1010)]  # a listing has 1,000
    good += ['photos/2026/a, "b" \N{SNAKE}.jpg']
    bad = {
        "photos/2026/": (b"", "empty file"),
        "photos/2026/broken.jpg": (as_jpeg(photo)[:400], "broken image: "),
        "photos/2026/film.mp4": (bytes(20_000_001), "larger than 20,000,000 bytes"),
        "photos/2026/frozen.jpg": (as_jpeg(photo), "An error occurred (InvalidObjectState)"),
        "photos/2026/notes.txt": (b"no image", "not a JPEG, PNG,"),
    }
    for key in good:
        bucket.put_object(Bucket="bucket", Key=key, Body=photo.read_bytes())
    for key, (data, _) in bad.items():
        kind = "GLACIER" if "frozen" in key else "STANDARD"
        bucket.put_object(Bucket="bucket", Key=key, Body=data, StorageClass=kind)
    bucket.put_object(Bucket="bucket", Key="others/0000.png", Body=photo.read_bytes())

    program, script, _, prefix = command("python bucket.py")
    done = features_project.run(program, script, "bucket", prefix, check=False)
    assert done.stderr.splitlines()[-1] == "1011 predicted, 5 could not be read"
    assert done.returncode == 3
    with (features_project.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {*good, *bad}
    expected = classifier.predict(photo)
    for key in good:
        assert (rows[key]["predicted"], rows[key]["problem"]) == (expected.predicted, "")
        found = [float(rows[key][name]) for name in classifier.classes]
        assert found == pytest.approx([*expected.probabilities.values()], abs=1e-6)
    for key, (_, problem) in bad.items():
        assert rows[key]["predicted"] == ""
        assert rows[key]["problem"].startswith(problem)


def written_photographs(sample: Path, folder: Path) -> list[Path]:
    """20 photographs: 4 of each class as they are, and 8 turned, of four photographs each."""
    paths = []
    for name in ("dog", "human", "snake"):
        for photo in sorted((sample / name).iterdir())[:4]:
            paths.append(folder / f"{name} {photo.name}")
            shutil.copy(photo, paths[-1])
    photos = sorted(sample.glob("*/*.jpg"))
    for orientation in range(1, 9):
        picture = Image.new("RGB", (512, 128 + 8 * orientation))
        for place, photo in enumerate(photos[orientation * 13 :][:4]):
            picture.paste(Image.open(photo), (128 * place, 0))
        exif = Image.Exif()
        exif[0x0112] = orientation
        paths.append(folder / f"turned {orientation}.jpg")
        picture.save(paths[-1], quality=90, exif=exif)
    pixels = np.asarray(Image.open(photos[0]).convert("RGBA")).copy()
    pixels[..., 3] = np.linspace(0, 255, 128, dtype=np.uint8)
    for suffix in ("png", "webp"):
        paths.append(folder / f"transparent.{suffix}")
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.mark.long
def test_the_page_in_the_browser_says_what_python_says(
    copy_project: Callable[..., Project], tmp_path: Path
) -> None:
    needed("npm", shutil.which("npm"), "apt install npm")
    project = copy_project(tmp_path / "project", "data/sample", "docs/browser.html")
    project.dvc("config", "--local", "core.no_scm", "true")
    project.set_params({"export": ["onnx"]})
    project.dvc("repro", "export@onnx")
    for begin in ("cp docs/browser.html", "npm install"):
        project.run(*command(begin))
    (tmp_path / "photos").mkdir()
    photos = written_photographs(project.folder / "data/sample/test", tmp_path / "photos")
    text, broken = tmp_path / "text.jpg", tmp_path / "broken.jpg"
    text.write_text("no image")
    broken.write_bytes(photos[0].read_bytes()[:-30])
    files = [*photos, text, broken]

    port = free_port()
    line = [*command("python -m http.server"), "--bind", "127.0.0.1", str(port)]
    with chromium(tmp_path / "profile") as browser, serving(line, port, project.folder):
        browser.get(f"http://127.0.0.1:{port}/")

        def wait_for(status: str) -> None:
            for _ in range(1200):
                said = browser.find_element(By.ID, "status").text
                if said == status:
                    return
                time.sleep(0.1)
            raise AssertionError(said)

        wait_for("Ready.")
        browser.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))
        wait_for("Done.")
        rows = browser.execute_script(
            "return [...document.querySelectorAll('#results tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent.trim()))"
        )
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert [name for name, _, _ in rows] == [file.name for file in files]
    for (name, predicted, details), said in zip(
        rows,
        Classifier.load(project.folder / "models/model.keras").predict(photos),
        strict=False,
    ):
        found = {key: float(p) for key, p in (part.split(" ") for part in details.split(", "))}
        assert predicted == said.predicted, name
        assert found == pytest.approx(said.probabilities, abs=1e-3), name
    for _, predicted, details in rows[len(photos) :]:
        assert predicted == ""
        assert details.startswith("Not classified: not an image, broken, or of a format")
