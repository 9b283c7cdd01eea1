"""In a real Chromium: what a completion holds of HTML, links, images and codes of Streamlit is shown and never obeyed."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from dashboards.readable import pieces, visible
from tests.conftest import Project
from tests.dashboards.browser import Visitor
from tests.dashboards.examined import BASE, graded, write_examination
from tests.dashboards.test_readable import HOSTILE, bare

pytestmark = pytest.mark.xdist_group("browser")

ATTACK = """\
<script>window.ran = "script"</script> <img src=x onerror="window.ran = 'img'"> <a href="javascript:window.ran='a'">a</a>
[link](javascript:window.ran='link') ![image](http://127.0.0.1:9/x.png) <iframe srcdoc="<script>top.ran=1</script>"></iframe>
javascript:window.ran='bare' http://127.0.0.1:9/ www.example.com someone@example.com <svg onload="window.ran='svg'">
# heading
- item
> quote
:red[coloured] :material/check: :material_check: :streamlit: :smile: -> >= `code` | a | b |
$\\href{javascript:window.ran='math'}{y}$ $\\includegraphics{http://127.0.0.1:9/y.png}$ $x^2$ \\(\\frac{1}{2}\\)
\\[\\htmlData{a=b}{c}\\] &lt;b&gt; \\boxed{5}"""
MATHEMATICS = 3
SHOWN = "[data-testid=stMarkdownContainer]"
KATEX = ".katex, .katex-error"
# Of what a completion became: elements that are neither paragraphs, line breaks nor mathematics.
OTHERS = f"""box => [...box.querySelectorAll("*")].filter(node => !node.closest("{KATEX}, .katex-display"))
    .map(node => node.tagName).filter(name => !["P", "BR"].includes(name))"""
WORDS = f"""box => {{
    const copy = box.cloneNode(true);
    copy.querySelectorAll("{KATEX}").forEach(node => node.remove());
    return copy.textContent;
}}"""
LISTED = """
import json
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dashboards.readable import markdown

for place, text in enumerate(json.loads(Path("texts.json").read_text())):
    with st.container(key=f"text-{place}"):
        st.markdown(markdown(text))
"""


def words_of(text: str) -> str:
    return bare("".join(piece.source for piece in pieces(visible(text)) if piece.kind == "text"))


def shows(box: Locator, text: str) -> None:
    assert box.evaluate(OTHERS) == [], text
    assert bare(box.evaluate(WORDS)) == words_of(text), text
    assert box.locator(KATEX).count() == sum(piece.kind != "text" for piece in pieces(visible(text))), text


def test_a_completion_is_shown_and_never_run(project: Project, visit: Callable[[Path], Visitor]) -> None:
    attacks = graded("p1", "sums", 0, ATTACK, "wrong", f"{ATTACK}</think>{ATTACK}")
    write_examination(project.root, base=[attacks, *BASE[1:]])
    visitor = visit(project.root)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.open("/samples")
    first = visitor.page.locator(
        "[data-testid=stColumn]", has=visitor.page.get_by_role("heading", name="base", exact=True)
    )
    assert words_of(ATTACK) and sum(piece.kind != "text" for piece in pieces(ATTACK)) == MATHEMATICS
    shows(first.locator(SHOWN, has_text="script").last, ATTACK)
    first.get_by_text("Thinking, ").click()
    inside = first.locator("[data-testid=stExpanderDetails]").locator(SHOWN)
    inside.wait_for()
    shows(inside, ATTACK)
    visitor.page.get_by_text("As it stands").click()
    code = first.locator("[data-testid=stCode] code")
    code.wait_for()
    assert code.text_content() == f"{ATTACK}</think>{ATTACK}"
    assert visitor.page.evaluate("window.ran") is None
    assert [url for url in asked if not url.startswith((visitor.address, visitor.address.replace("http", "ws")))] == []
    assert visitor.failures() == []


def test_a_row_of_the_table_is_what_is_read(project: Project, visit: Callable[[Path], Visitor]) -> None:
    write_examination(project.root)
    visitor = visit(project.root)
    visitor.open("/samples")
    page = visitor.page
    page.get_by_text("Known answer: 100").wait_for()
    page.locator("[data-testid=stDataFrame] .dvn-scroller").first.click(
        position={"x": 15, "y": 35 * 2 + 18}
    )  # its second row
    page.get_by_text("Known answer: \\frac{1}{2} or 0.5").wait_for()
    assert "samples_problem=sums" in page.url
    visitor.open(page.url.removeprefix(visitor.address))
    page.get_by_text("Known answer: \\frac{1}{2} or 0.5").wait_for()


def test_streamlit_reads_what_markdown_it_reads(project: Project, visit: Callable[[Path], Visitor]) -> None:
    """Its own parser, with all that it replaces afterwards, on a hundred texts of the hostile parts that tests/dashboards/
    test_readable.py is about."""
    choice = random.Random(0)
    texts = [visible("".join(choice.choices(HOSTILE, k=choice.randint(1, 12)))) + "." for _ in range(100)]
    texts += [visible(f"a {one} b") for one in HOSTILE]
    (project.root / "dashboards/app.py").write_text(LISTED)
    (project.root / "texts.json").write_text(json.dumps(texts))
    visitor = visit(project.root)
    visitor.page.goto(visitor.address)
    visitor.page.locator(f".st-key-text-{len(texts) - 1} {SHOWN} p").first.wait_for()
    visitor.page.wait_for_load_state("networkidle")
    for place, text in enumerate(texts):
        shows(visitor.page.locator(f".st-key-text-{place} {SHOWN}"), text)
