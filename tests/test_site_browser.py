"""The built site in a real browser: what a reader clicks is there, without network, and every local link leads on."""

import shutil
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from small_site import items, small_repository

from lib.results import web_pages

pytest.importorskip("myst_nb", reason="make site-test installs Sphinx and playwright")
sync_api = pytest.importorskip("playwright.sync_api", reason="make site-test installs Sphinx and playwright")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.filterwarnings("ignore:.*MystReferenceResolver.app")  # of Sphinx, meant for MyST
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here (Debian: apt install chromium)")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
EXECUTED = "notebooks-movielens-100k/report/05_semantics_gccf.html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = small_repository(tmp_path_factory.mktemp("repository"))
    first, faults = web_pages.build(root / "site", items, root)
    assert faults == []
    return first.parent


class Page(HTMLParser):
    """Local links, and what a link may point at, of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}


def test_no_link_is_dead(site):
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > 20
    dead, checked = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                assert parts.scheme in ("https", "http", "data"), link
                continue
            checked += 1
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchored = not parts.fragment or file not in pages or unquote(parts.fragment) in pages[file].anchors
            if not file.is_file() or not anchored:
                dead.append((path.relative_to(site).as_posix(), link))
    assert checked > 500 and not dead
    front = Page(site / "index.html").links
    assert {"notebooks/report/README.html", "docs/methods/rlmrec.html#alignment"} & set(
        front
    ) and "figures/README.html" in front


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(site, browser):
    """The front page; that the browser had nothing to complain of and asked no server is checked in the end."""
    heard = []
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(20_000)
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(f"failed: {request.url}"))
    page.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
    page.goto((site / "index.html").as_uri())
    yield page
    page.close()
    assert heard == []


def opened(page, heading):
    """Wait for the page with a heading; all its pictures were loaded, and none is wider than the page."""
    page.wait_for_selector(f"article h1:has-text('{heading}')")
    page.wait_for_load_state("load")
    sizes = page.eval_on_selector_all("article img", "all => all.map(one => [one.naturalWidth, one.width])")
    assert sizes and all(natural > 0 and width < 1400 for natural, width in sizes)


@needs_browser
def test_a_reader_clicks_from_the_front_page_to_figures_and_notebooks(page):
    opened(page, "A small site")
    page.click("article >> text=Results")
    opened(page, "Results")
    page.click("article a:has(img)")
    opened(page, "Quantifying RLMRec")
    page.click("article >> text=All results")
    page.click("article >> text=Front page")
    page.click("article >> text=tour")
    page.wait_for_selector("mjx-container svg")
    assert page.locator("mjx-merror").count() == 0
    assert page.locator("div.cell_output").count() > 3
    page.click(".bd-header >> text=Notebooks")
    page.click("article >> text=MovieLens-100K")
    page.click("article >> text=(gccf, MovieLens-100K)")
    page.wait_for_url(f"**/{EXECUTED}")
    opened(page, "(gccf, MovieLens-100K)")


@needs_browser
def test_search_finds_words_of_documents_and_of_outputs(page):
    page.click("button.search-button-field:visible")
    page.fill(
        ".search-button__search-container input[type=search], #pst-search-dialog input[type=search]", "temperature"
    )
    page.keyboard.press("Enter")
    # hits come one by one: the page of the method, then the notebook of which an output has the word
    for hit in ("docs/methods/rlmrec.html", EXECUTED):
        page.wait_for_selector(f"#search-results li a[href*='{hit}']")
    page.click("#search-results li a[href*='docs/methods/rlmrec.html'] >> nth=0")
    page.wait_for_url("**/docs/methods/rlmrec.html*")
    assert "temperature" in page.inner_text("article").lower()


@needs_browser
def test_the_explorer_shows_neighbours_and_names_films_on_the_map(page):
    data = items()
    page.click(".bd-header >> text=Item explorer")
    page.fill("#pick", "film 7")
    assert page.inner_text("#suggestions") == data["names"][7]
    page.click("#suggestions button")
    assert page.inner_text("#picked").strip("#") == data["names"][7] and page.inner_text("#words") == data["texts"][7]
    for name in ("text", "base", "contrastive"):
        near = data["backbones"]["gccf"]["spaces"][name]["near"][7]
        lines = page.locator(f"[data-space={name}] li button")
        assert lines.all_inner_texts() == [data["names"][item] for item in near]
    # base is 3, 6, ... 30 further on and the text 1 to 10: three are in both; contrastive 2, 4, ... 20: five
    assert [page.locator(f"[data-space={name}] li.shared").count() for name in ("base", "contrastive")] == [3, 5]
    assert page.inner_text("[data-space=contrastive] p") == "5 of 10 shared with the text; all films: 5.00 on average"
    assert "python -m lib train films gccf generative" in page.inner_text("[data-space=generative]")
    page.select_option("#map-of", "base")
    assert page.locator("circle.near").count() == 10 and page.locator("circle.picked").count() == 1
    page.hover("circle[data-item='20']")
    assert page.inner_text("#tip") == data["names"][20]
    page.click("circle[data-item='20']")
    assert page.inner_text("#words") == data["texts"][20]
    page.select_option("#backbone", "sgl")
    assert page.locator("[data-space=text] li").count() == 10
