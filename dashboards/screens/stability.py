"""Stability: is the run healthy? Everything by step over the three rungs, several runs over one another, and a line in words."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboards.charts.timeline import TimeLine
from dashboards.load.accuracy import accuracy_of
from dashboards.load.health import RULES, health_of
from dashboards.load.marks import borders, guards_fired, marks_of
from dashboards.load.progress import progress_of
from dashboards.load.series import steps_of, with_cost
from dashboards.load.settings import guards_of
from dashboards.load.timeline import PANELS, X_OF, Axis, Course, limits, panel_data, rung_starts
from dashboards.look import cannot_show, figure, health_line, notice, plain, run_name
from dashboards.view import View

BEFORE = ("not begun", "running", "unfinished")  # states in which a first step is still to come


def draw(view: View) -> None:
    st.header("Stability")
    axis_box, smooth_box, panel_box = st.columns([3, 2, 3])
    axes: list[Axis] = list(X_OF)
    axis: Axis = axis_box.segmented_control("by", axes, default="step", required=True, key="by", bind="query-params")
    smoothing = smooth_box.slider("smoothing", 0.0, 0.98, 0.0, 0.02, key="smoothing", bind="query-params")
    titles = {panel.key: panel.title for panel in PANELS}
    shown = panel_box.multiselect(
        "panels", list(titles), default=list(titles), format_func=titles.get, key="panels", bind="query-params"
    )
    with st.container():  # what it may say has a place of its own: the chart below keeps its, and with it the zoom
        courses = _courses(view, axis)
    if not courses:
        if all(progress_of(run, view.book).state in BEFORE for run in view.chosen):
            st.info("No step yet: `make run` climbs the ladder; its first step is drawn here as soon as it has ended.")
        return
    columns = st.columns(min(2, len(courses)))
    for place, course in enumerate(courses):
        with columns[place % len(columns)]:
            _health(course, view)
    _time_line(view, courses, axis, smoothing, shown)
    with st.expander("The rules behind the health lines"):
        st.markdown("\n".join(f"- {plain(rule.states)}" for rule in RULES))


def _courses(view: View, axis: Axis) -> list[Course]:
    """Of the chosen runs that have a step, and a notice for each table that can't be read. Who shares a name goes by its key."""
    found = []
    names = [run.name for run in view.chosen]
    for run in view.chosen:
        with notice(f"{run.name}, its steps"):
            broken: list[str] = []
            steps = steps_of(run, broken)
            for said in broken:
                cannot_show(run.name, said)
            if axis in ("hours", "dollars") and not steps.empty:
                steps = with_cost(steps, run, view.book)
            if not steps.empty:
                found.append(Course(run, run.name if names.count(run.name) == 1 else run.key, steps))
            elif progress_of(run, view.book).state == "not here":
                st.caption(
                    f"{plain(run.name)}: its files are not on this machine; `dvc pull` brings them from a remote"
                )
            elif not broken and len(view.chosen) > 1:
                st.caption(f"{plain(run.name)} has no step yet")
    return found


def _health(course: Course, view: View) -> None:
    run_name(course.name, view.colours[course.run.key])
    with notice(f"{course.name}, its health"):
        for finding in health_of(course.steps, guards_of(course.run), guards_fired(course.run, view.book)):
            health_line(finding)


def _time_line(view: View, courses: list[Course], axis: Axis, smoothing: float, shown: list[str]) -> None:
    colours = {course.name: view.colours[course.run.key] for course in courses}
    line = TimeLine(axis, colours, rung_starts(courses, axis), smoothing > 0)
    line.add_strip(panel_data(PANELS[0], courses, axis, smoothing))
    line.add_attempts(_placed([marks_of(course.run, course.steps, view.book) for course in courses], courses, axis))
    with st.container():
        line.add_accuracy(_placed([_accuracy(course) for course in courses], courses, axis))
    for panel in PANELS:
        if panel.key in shown and not (data := panel_data(panel, courses, axis, smoothing)).empty:
            line.add(panel, data, limits(courses, axis) if panel.key == "length" else None)
    figure(line.spec(), "stability", partial(_all_steps, courses, view))


def _all_steps(courses: list[Course], view: View) -> pd.DataFrame:
    """Every figure of every step, with the hours and dollars that were spent until then."""
    return pd.concat([with_cost(course.steps, course.run, view.book).assign(run=course.name) for course in courses])


def _accuracy(course: Course) -> pd.DataFrame:
    """Its checkpoints' accuracy, each at the step that it was made by; nothing but a notice where that can't be read."""
    ends = {"base": 0} | {span.rung: span.last for span in borders(course.steps)}
    found = pd.DataFrame(columns=["checkpoint", "ladder_step"])
    with notice(f"{course.name}, its accuracy"):
        found = accuracy_of(course.run)
    return found[found["checkpoint"].isin(ends)].assign(ladder_step=found["checkpoint"].map(ends))


def _placed(parts: list[pd.DataFrame], courses: list[Course], axis: Axis) -> pd.DataFrame:
    """With their run's name, and `x`, where each `ladder_step` is on the axis."""
    placed = []
    for part, course in zip(parts, courses, strict=True):
        at = dict(zip(course.steps["ladder_step"], course.steps[X_OF[axis]], strict=True)) | {0: 0.0}
        placed.append(part.assign(x=part["ladder_step"].map(at), run=course.name))
    return pd.concat(placed, ignore_index=True).dropna(subset=["x"])
