"""The pages in a real browser, with a screen, with a keyboard and in print."""

import base64
from collections.abc import Callable, Iterator

import pytest
from chromium import chromium
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from ballast.comparison.page import comparison_page, run_page
from ballast.comparison.runs import answer, compare
from ballast.report.pictures import Explained, RunPictures
from ballast.scores.advice import Recommendation
from ballast.scores.run import Arm, Run

HOSTILE = [
    "<script>alert(1)</script>",
    '"onload="alert(2)',
    "'><img src=x onerror=alert(3)>",
    "{{ 7 * 7 }}",
    "😀 日本語",
    "עברית",
    "n" * 200,
]
CLASSES = {
    "plain": ["dog", "human", "snake"],
    "hostile": HOSTILE,
    "many": [f"class {number}" for number in range(41)],
    "wide": [f"class {number}" for number in range(25)],
}
# WCAG 2.2's contrast (1.4.3) of each piece of text to what is painted behind it; those that fail.
LOW_CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const pixel = colour => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const behind = element => {
  for (; element; element = element.parentElement) {
    const colour = pixel(getComputedStyle(element).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  throw "nothing behind";
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const low = [];
let seen = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  const style = getComputedStyle(element);
  const colour = pixel(element instanceof SVGElement ? style.fill : style.color);
  const [light, dark] = [luminance(colour), luminance(behind(element))].sort((a, b) => b - a);
  const ratio = (light + 0.05) / (dark + 0.05);
  seen += 1;
  if (ratio < 4.5) low.push([walker.currentNode.data.trim(), ratio, style.color]);
}
return [seen, low];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def pages(
    make_run: Callable[..., Run],
    make_pictures: Callable[..., RunPictures],
    make_explained: Callable[[Run], Explained],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The address of each page by its name."""
    folder, addresses = tmp_path_factory.mktemp("pages"), {}
    for name, classes in CLASSES.items():
        path = "</script><script>alert(5)</script>/{}/{}.png" if name == "hostile" else "{}/{}.png"
        arms = HOSTILE[:2] if name == "hostile" else ["baseline", "balanced"]
        runs = [make_run(arm, classes, path=path) for arm in arms]
        pictures = [make_pictures(run, images=8) for run in runs]
        reference, run = Arm(*runs[0][:4]), runs[1]
        advice = Recommendation("rule", f"{classes[0]}: do more.", classes[0])
        found = answer(run, reference, {classes[0]: 2})._replace(recommendations=[advice])
        html = {
            f"report of {name}": run_page(run, reference, found, pictures[1], make_explained(run)),
            f"comparison of {name}": comparison_page(compare(runs, seed=1), runs, pictures),
        }
        for title, text in html.items():
            (folder / f"{title}.html").write_text(text, encoding="utf-8")
            addresses[title] = (folder / f"{title}.html").as_uri()
    return addresses


PAGES = [f"{kind} of {name}" for kind in ("report", "comparison") for name in CLASSES]


def show(browser: Chrome, address: str, width: int = 1280, scheme: str = "light") -> None:
    """Open a page as wide as asked for, in light or dark mode."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(address)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_and_quiet(browser: Chrome, pages: dict[str, str], page: str) -> None:
    """Every picture is drawn, nothing is fetched or run, nothing is said on the console."""
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # of the page before
    show(browser, pages[page])
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert browser.execute_script("return document.scripts.length") == 0
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource')"
            ".filter(entry => !entry.name.startsWith('data:'))"
        )
        == []
    )
    images, drawn = browser.execute_script(
        "const all = [...document.images];"
        "return [all.length, all.filter(image => image.naturalWidth > 0).length]"
    )
    assert images == drawn > 0
    svgs, painted = browser.execute_script(
        "const all = [...document.querySelectorAll('.plot svg')];"
        "return [all.length, all.filter(s => s.getBBox().width > 200 &&"
        "  [...s.querySelectorAll('clipPath rect')].every(r => r.width.baseVal.value > 100) &&"
        "  s.querySelectorAll('path').length > 2).length]"
    )
    assert svgs == painted > 0
    assert browser.execute_script("return document.compatMode") == "CSS1Compat"


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_shows_it_without_sideways_scrolling(
    browser: Chrome, pages: dict[str, str], page: str
) -> None:
    show(browser, pages[page], width=360)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", [page for page in PAGES if "many" not in page])
def test_text_stands_out_from_what_is_behind_it(
    browser: Chrome, pages: dict[str, str], page: str, scheme: str
) -> None:
    show(browser, pages[page], scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    seen, low = browser.execute_script(LOW_CONTRAST)
    assert seen > 100
    assert low == []


def test_dark_mode_is_dark_and_its_pictures_light(browser: Chrome, pages: dict[str, str]) -> None:
    colours = """
    const fill = getComputedStyle(document.querySelector(".plot svg text")).fill;
    return [getComputedStyle(document.body).backgroundColor, fill];
    """
    show(browser, pages["report of plain"])
    light = browser.execute_script(colours)
    show(browser, pages["report of plain"], scheme="dark")
    assert light == ["rgb(255, 255, 255)", "rgb(89, 98, 107)"]
    assert browser.execute_script(colours) == ["rgb(20, 23, 26)", "rgb(165, 173, 181)"]


@pytest.mark.parametrize("page", ["report of plain", "comparison of hostile"])
def test_a_screen_reader_has_a_name_for_what_is_focused_or_drawn(
    browser: Chrome, pages: dict[str, str], page: str
) -> None:
    show(browser, pages[page])
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {"image": 0, "focusable": 0}
    for node in nodes:
        role = node.get("role", {}).get("value", "")
        focusable = any(
            found["name"] == "focusable" and found["value"]["value"]
            for found in node.get("properties", [])
        )
        if node.get("ignored") or role == "RootWebArea" or not (role == "image" or focusable):
            continue
        assert node["name"]["value"].strip(), node
        named["image" if role == "image" else "focusable"] += 1
    assert named["image"] > 10
    assert named["focusable"] >= 4


def test_the_keyboard_reaches_and_opens_what_can_be_opened(
    browser: Chrome, pages: dict[str, str]
) -> None:
    show(browser, pages["report of plain"])
    opened = []
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        element = browser.switch_to.active_element
        if element.tag_name == "body":
            break
        outline = browser.execute_script(
            "return getComputedStyle(arguments[0]).outlineStyle", element
        )
        assert outline == "solid", element.text
        if element.tag_name == "summary":
            element.send_keys(Keys.ENTER)
            opened.append(element.text)
    assert opened == ["The 3 epochs as a table", "The dots as a table"]
    assert len(browser.find_elements(By.CSS_SELECTOR, "details[open]")) == len(opened)


def test_names_are_on_the_page_as_they_are(browser: Chrome, pages: dict[str, str]) -> None:
    for page in ("report of hostile", "comparison of hostile"):
        show(browser, pages[page])
        shown = browser.execute_script("return document.body.textContent")
        for name in HOSTILE:
            assert name in shown
        assert "</script><script>alert(5)</script>/" in shown
        assert browser.execute_script("return document.title").strip() != ""


def test_print_is_light_and_cuts_no_picture(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["comparison of plain"], scheme="dark")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    assert (
        browser.execute_script(
            "return getComputedStyle(document.documentElement).getPropertyValue('--paper')"
        )
        == "#ffffff"
    )
    uncut = browser.execute_script(
        "return [...document.querySelectorAll('figure, tr, img')].map(e =>"
        " getComputedStyle(e.closest('figure, tr')).breakInside)"
    )
    assert len(uncut) > 40
    assert set(uncut) == {"avoid"}
    bars = browser.execute_script(
        "return getComputedStyle(document.querySelector('.track .value')).printColorAdjust"
    )
    assert bars == "exact"
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    assert 2 <= pdf.count(b"/Type /Page\n") <= 12


def test_equal_shares_have_one_colour_in_every_matrix(
    browser: Chrome, pages: dict[str, str]
) -> None:
    show(browser, pages["comparison of plain"])
    cells = browser.execute_script(
        "return [...document.querySelectorAll('.confusion')].map(t =>"
        " [...t.querySelectorAll('td[style]')].map(c => getComputedStyle(c).backgroundColor))"
    )
    assert len(cells) == 2
    assert cells[0] == cells[1]
    assert len(set(cells[0])) == 3  # of the shares 0, 1/4 and 3/4
