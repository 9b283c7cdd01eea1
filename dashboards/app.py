"""The dashboard: is a run healthy, is it better, what did it cost? `make dashboard`

Pages draw what dashboards/load/ reads. Which runs are looked at is chosen once for all pages and stands in the address.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # `streamlit run` knows this file's folder alone

from dashboards.look import MOST_RUNS, colours_of, plain
from dashboards.screens import evaluation, overview, problems, samples, spend, stability, sweep
from dashboards.view import View, sources, version

ICON = Path(__file__).with_name("icon.svg")
EVERY_S = 1.5  # how often the sources' times are looked at
PAGES: tuple[tuple[str, str, Callable[[View], None]], ...] = (
    ("Overview", ":material/dashboard:", overview.draw),
    ("Stability", ":material/monitoring:", stability.draw),
    ("Spend", ":material/payments:", spend.draw),
    ("Evaluation", ":material/school:", evaluation.draw),
    ("Samples", ":material/chat:", samples.draw),
    ("Problems", ":material/filter_alt:", problems.draw),
    ("Sweep", ":material/tune:", sweep.draw),
)


def main() -> None:
    st.set_page_config("GRPO Ladder", ICON, "wide")
    seen = version()
    found = sources()
    names = {run.key: run.name for run in found.runs}
    with st.sidebar:
        keys = st.multiselect(
            "Runs",
            list(names),
            default=list(names)[:1],
            format_func=lambda key: names.get(key, key),
            max_selections=MOST_RUNS,
            key="runs",
            bind="query-params",
            help="Shown on every page, at most eight; the overview's table chooses them too.",
        )
    by_key = {run.key: run for run in found.runs}
    chosen = tuple(by_key[key] for key in keys if key in by_key)
    # Who was given a colour keeps it for as long as the visit lasts, unless one that joined meanwhile has it.
    given = st.session_state.setdefault("colours", {})
    colours = colours_of([run.key for run in chosen], given)
    for key in [key for key, colour in given.items() if key not in colours and colour in colours.values()]:
        del given[key]
    given |= colours
    view = View(found.runs, chosen, colours, found.book)
    pages = [
        st.Page(partial(draw, view), title=title, icon=icon, url_path=title.lower(), default=not place)
        for place, (title, icon, draw) in enumerate(PAGES)
    ]
    page = st.navigation(pages)
    with st.container():  # of the page's place, whatever is said here
        for said in found.broken:
            st.error(plain(said))
    page.run()
    watch(seen, count())


@st.fragment(run_every=EVERY_S)
def watch(seen: tuple[object, ...], runs: Iterator[int]) -> None:
    """Draw the page anew once a source has changed; charts and tables take the new figures, and stay as they are zoomed.

    The first of `runs` is within the page's own. A click that waits meanwhile is taken where something is drawn, and would be
    forgotten with the next `st.rerun`.
    """
    if next(runs) and version() != seen:
        st.empty()
        st.rerun()


main()
