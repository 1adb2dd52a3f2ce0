"""Draw the README's screenshots of outputs/report.html and comparison.html with Chromium.

    python docs/draw_screenshots.py
    python docs/draw_screenshots.py --all FOLDER

The first command draws the tops of the pages into docs/. (docs/tutorial.png is a report.png, drawn
where the tutorial's first run had ended.) The second draws whole pages for review,
at desktop and phone width, light and dark. Both need Debian's chromium and chromium-driver.
"""

import argparse
import base64
import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

PAGES = ("report", "comparison")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
WIDTHS = (1280, 360)
HEIGHT = 1610  # of the README's screenshots; the matrices of the sample's comparison end there


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pages that exist."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, help="folder for screenshots of whole pages")
    folder = parser.parse_args(arguments).all
    pages = [page for page in PAGES if Path(f"outputs/{page}.html").exists()]
    with tempfile.TemporaryDirectory() as profile:
        browser = start(profile)
        for page in pages:
            browser.get(Path(f"outputs/{page}.html").resolve().as_uri())
            if not folder:
                shot = screenshot(browser, WIDTHS[0], "light").crop((0, 0, WIDTHS[0], HEIGHT))
                # There are few colours: with a palette, the file is a third as large.
                shot.quantize(256, dither=Image.Dither.NONE).save(f"docs/{page}.png", optimize=True)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            for width in WIDTHS:
                for scheme in ("light", "dark"):
                    shot = screenshot(browser, width, scheme)
                    shot.save(folder / f"{page}-{width}-{scheme}.png")
        browser.quit()


def start(profile: str) -> Chrome:
    """Start a browser without a window."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return Chrome(options=options, service=Service(shutil.which("chromedriver")))


def screenshot(browser: Chrome, width: int, scheme: str) -> Image.Image:
    """Take a screenshot of the whole open page."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    height = browser.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    whole = {"captureBeyondViewport": True, "clip": clip}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", whole)
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


if __name__ == "__main__":
    main()
