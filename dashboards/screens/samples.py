"""Samples: what do the answers say? One prompt's completions across the rungs side by side, and what training logged of a few.

Problem and answer are anybody's text: dashboards/completion.py draws them, and `st.dataframe` shows them as they are.
"""

from typing import Any

import pandas as pd
import streamlit as st

from dashboards.completion import draw_badges, draw_completion, draw_text
from dashboards.load.present import is_present
from dashboards.load.responses import responses
from dashboards.load.runs import Run
from dashboards.load.samples import (
    CLOSE_BY,
    CLOSE_SHARE,
    GRADES,
    Gathered,
    Wanted,
    answers_of,
    by_problem,
    examined,
    logged,
    matching,
    problems_of,
)
from dashboards.look import notice
from dashboards.readable import visible
from dashboards.view import View
from stages.errors import LadderError

MOST_PROBLEMS = 2_000  # rows of the table: filters narrow it
TABLE_PX = 283  # seven rows and a heading
MOST_STEPS = 4  # logged answers side by side
MARKS = ("right", "wrong", "truncated", "close", "leaked")
MARK_NAMES = {"wrong": "not right", "close": "wrong but close"}
ASKED = "samples_problem"  # in the address


def draw(view: View) -> None:
    st.header("Samples")
    if not view.chosen:
        st.info("Choose a run in the sidebar.")
        return
    run = _run(view)
    problems_tab, training_tab = st.tabs(["By problem", "During training"], key="samples_tab", bind="query-params")
    if problems_tab.open:
        with problems_tab, notice("grades/*.parquet"):
            _by_problem(run)
    if training_tab.open:
        with training_tab, notice("samples/train/*.jsonl"):
            _during_training(run)


def _run(view: View) -> Run:
    """Of the chosen runs the one whose answers are read."""
    if len(view.chosen) == 1:
        return view.chosen[0]
    by_key = {run.key: run for run in view.chosen}
    key = st.selectbox(
        "Run", list(by_key), format_func=lambda key: by_key[key].name, key="samples_run", bind="query-params"
    )
    return by_key[key]


def _by_problem(run: Run) -> None:
    names = examined(run.files)
    if not names:
        st.info(
            "No checkpoint of this run has been examined on this machine: `make run` climbs the ladder and examines it."
        )
        return
    if old := [name for name in names if not is_present(run, f"evaluate@{name}")]:
        st.caption(f"Of an earlier climb or other settings, until `dvc repro` makes them anew: {', '.join(old)}.")
    gathered = answers_of(run.files)
    _say(gathered)
    answers = gathered.rows
    names = [name for name in names if GRADES.format(name) not in gathered.broken]
    if answers.empty:
        if not gathered.broken:
            st.info("No answer is in this run's tables.")
        return
    wanted = _wanted(answers, names)
    with st.spinner("Looking through the answers", show_time=True):  # gigabytes of text take seconds
        found = matching(run.files, answers, wanted)
    table = by_problem(answers, found, problems_of(run.files))
    st.caption(
        f"{len(table):,} problems with {len(found):,} of {len(answers):,} answers"
        + (f"; the first {MOST_PROBLEMS:,} are shown" if len(table) > MOST_PROBLEMS else "")
    )
    if table.empty:
        return
    asked = _selected(table.head(MOST_PROBLEMS), names)
    _completions(run, asked, answers, found, names)


def _say(gathered: Gathered) -> None:
    """One notice for each file that can't be read."""
    for path, said in gathered.broken.items():
        with notice(path):
            raise LadderError(said)


def _wanted(answers: pd.DataFrame, names: list[str]) -> Wanted:
    """By the widgets that narrow the table."""
    first, second, third, fourth = st.columns(4)
    benchmark = first.selectbox(
        "Benchmark", sorted(set(answers["benchmark"])), index=None, placeholder="all", key="samples_benchmark",
        bind="query-params",
    )  # fmt: skip
    checkpoint = second.selectbox(
        "Checkpoint", names, index=None, placeholder="all", key="samples_checkpoint", bind="query-params"
    )
    why = third.selectbox(
        "Grader's reason", sorted(set(answers["why"])), index=None, placeholder="all", key="samples_why", bind="query-params"
    )  # fmt: skip
    text = fourth.text_input("Text in the answer", key="samples_text", bind="query-params")
    left, right = st.columns(2)
    with left:
        marks = st.pills(
            "Answers that are", MARKS, selection_mode="multi", wrap=True, format_func=lambda mark: MARK_NAMES.get(mark, mark),
            key="samples_marks", bind="query-params",
            help="All that are chosen must hold. Wrong but close: graded wrong, and a number no farther from a known answer "
            f"than {CLOSE_BY:g} or {CLOSE_SHARE:.0%} of it, whichever is more. Leaked: the gate found a training problem that is "
            "like it (data/leaks.jsonl), whether or not that was removed.",
        )  # fmt: skip
    most = max(1, int(answers["tokens"].max()))
    shortest, longest = right.slider("Length (tokens)", 0, most, (0, most), key="samples_length", bind="query-params")
    said = {mark: mark in marks for mark in MARKS}
    both = said["right"] and said["wrong"]
    return Wanted(
        checkpoint, benchmark, why,
        right=None if both or not (said["right"] or said["wrong"]) else said["right"],
        truncated=said["truncated"], close=said["close"], leaked=said["leaked"],
        shortest=shortest, longest=longest, text=text.strip(),
    )  # fmt: skip


def _selected(table: pd.DataFrame, names: list[str]) -> pd.Series:
    """The row of the problem that is read: the one in the address where the table has it, else the first."""
    keys = [f"{benchmark}/{name}" for benchmark, name in zip(table["benchmark"], table["problem_id"], strict=True)]

    def select() -> None:
        rows = st.session_state["samples_table"]["selection"]["rows"]
        if rows:
            st.query_params[ASKED] = keys[rows[0]]

    shown = table.assign(known=[" or ".join(known) for known in table["known"].map(_known)]).drop(columns="problem_id")
    columns: dict[str, Any] = {
        "problem": st.column_config.TextColumn("problem", width="medium"),
        "known": st.column_config.TextColumn("known", width="small", help="the known answer"),
        "matches": st.column_config.NumberColumn("found", help="answers of it that are as wanted", width="small"),
        "leaked": st.column_config.CheckboxColumn("leaked", width="small"),
    }
    for name in names:
        columns[f"right {name}"] = st.column_config.ProgressColumn(
            f"right {name}", format="percent", min_value=0, max_value=1, width="small", help="share of sampled answers"
        )
        columns[f"tokens {name}"] = st.column_config.NumberColumn(
            f"tokens {name}", format="%.0f", help="mean of sampled answers"
        )
    order = ["problem", "known", *(f"right {name}" for name in names), *(f"tokens {name}" for name in names)]
    st.dataframe(
        shown, hide_index=True, height=min(TABLE_PX, 3 + 35 * (1 + len(shown))), column_config=columns,
        column_order=[*order, "matches", "leaked", "benchmark"], key="samples_table", on_select=select,
        selection_mode="single-row",
    )  # fmt: skip
    asked = st.query_params.get(ASKED)
    return table.iloc[keys.index(asked) if asked in keys else 0]


def _known(known: object) -> tuple[str, ...]:
    return known if isinstance(known, tuple) else ()  # NaN: the table of problems is not here


def _completions(run: Run, asked: pd.Series, answers: pd.DataFrame, found: pd.DataFrame, names: list[str]) -> None:
    """One sample of the problem by every checkpoint, side by side."""
    mine = _of_problem(answers, asked)
    wanted = _of_problem(found, asked)
    places = {_sample(row.greedy, row.index_): None for row in mine.rename(columns={"index": "index_"}).itertuples()}
    first = wanted.iloc[0]
    sample_box, raw_box = st.columns([3, 1], vertical_alignment="bottom")
    sample = sample_box.selectbox(
        "Sample", list(places), index=list(places).index(_sample(first["greedy"], first["index"])),
        key=f"samples_sample_{asked['benchmark']}_{asked['problem_id']}",
    )  # fmt: skip
    as_it_stands = raw_box.toggle("As it stands", key="samples_raw", bind="query-params")
    draw_text(asked["problem"], as_it_stands)
    known = " or ".join(_known(asked["known"])) or "not known here"
    st.text(f"Known answer: {visible(known)}" + ("; a training problem is like it" if asked["leaked"] else ""))
    for column, name in zip(st.columns(len(names)), names, strict=True):
        with column.container(border=True), notice(GRADES.format(name)):
            rows = mine[mine["checkpoint"] == name]
            _answer(run, name, rows, str(sample), as_it_stands)


def _of_problem(answers: pd.DataFrame, asked: pd.Series) -> pd.DataFrame:
    return answers[(answers["benchmark"] == asked["benchmark"]) & (answers["problem_id"] == asked["problem_id"])]


def _sample(greedy: bool, index: int) -> str:
    return "greedy" if greedy else f"sample {index}"


def _answer(run: Run, name: str, rows: pd.DataFrame, sample: str, as_it_stands: bool) -> None:
    st.subheader(name, anchor=False)
    chosen = [row for _, row in rows.iterrows() if _sample(row["greedy"], row["index"]) == sample]
    place = run.files.place(GRADES.format(name))
    if not chosen or place is None:
        st.caption("no such sample")
        return
    row = chosen[0]
    draw_badges(float(row["reward"]), str(row["why"]), int(row["tokens"]), bool(row["truncated"]))
    st.text(f"read as: {'nothing' if pd.isna(row['extracted']) else visible(str(row['extracted']))}")
    texts = responses(place, [int(one) for one in rows["row"]])
    draw_completion(texts[int(row["row"])], f"samples_thinking_{name}", as_it_stands)


def _during_training(run: Run) -> None:
    gathered = logged(run.files)
    _say(gathered)
    table = gathered.rows
    if table.empty:
        if not gathered.broken:
            st.info(
                "No rung of this run has logged answers on this machine: a rung logs some every `grpo.log_completions_steps` "
                "steps and hands them over at its end (`make run`)."
            )
        return
    rung_box, prompt_box, raw_box = st.columns([1, 3, 1], vertical_alignment="bottom")
    rungs = list(dict.fromkeys(table["rung"]))
    rung = rung_box.selectbox("Rung", rungs, key="samples_rung", bind="query-params")
    mine = table[table["rung"] == rung]
    prompts = dict(zip(mine["problem_id"], mine["prompt"], strict=True))
    prompt = prompt_box.selectbox(
        "Prompt", list(prompts), format_func=lambda key: visible(prompts.get(key, key))[:200], key="samples_prompt",
        bind="query-params",
    )  # fmt: skip
    as_it_stands = raw_box.toggle("As it stands", key="samples_raw", bind="query-params")
    rows = mine[mine["problem_id"] == prompt].sort_values("step").reset_index(drop=True)
    draw_text(prompts[prompt], as_it_stands)
    columns = {"reward": st.column_config.NumberColumn("reward", format="%.3g")}
    picked = st.dataframe(
        rows[["step", "reward", "tokens", "truncated", "completion"]], hide_index=True, column_config=columns,
        key=f"samples_logged_{rung}_{prompt}", on_select="rerun", selection_mode="multi-row",
    )  # fmt: skip
    st.caption(f"Select up to {MOST_STEPS} steps to read them side by side; the first and the last otherwise.")
    chosen = picked["selection"]["rows"][:MOST_STEPS] or sorted({0, len(rows) - 1})
    for column, place in zip(st.columns(len(chosen)), sorted(chosen), strict=True):
        row = rows.iloc[place]
        with column.container(border=True):
            st.subheader(f"step {row['step']}", anchor=False)
            draw_badges(float(row["reward"]), None, int(row["tokens"]), bool(row["truncated"]))
            draw_completion(row["completion"], f"samples_logged_thinking_{row['step']}", as_it_stands)
