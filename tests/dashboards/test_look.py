"""Colours that everybody tells apart, the same for a run on every page; text that is shown as it stands."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dashboards.look import BAD, GOOD, PALETTE, colours_of, plain

# Machado et al. 2009, severity 1, for linear RGB.
SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopes": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
JUST_NOTICEABLE = 2.3  # CIE 1976 (Mahy et al. 1994)
BACKGROUNDS = ("#ffffff", "#171614")  # Streamlit's light and dark


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG 2's."""
    dark, light = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("who", SEEN_BY)
def test_colours_are_told_apart(who: str) -> None:
    seen = {colour: lab(np.array(SEEN_BY[who]) @ linear(colour)) for colour in PALETTE}
    closest = min(float(np.linalg.norm(seen[one] - seen[other])) for one, other in combinations(PALETTE, 2))
    assert closest > 6 * JUST_NOTICEABLE


def test_colours_stand_out_from_light_and_dark() -> None:
    assert min(contrast(colour, ground) for colour in (*PALETTE, GOOD, BAD) for ground in BACKGROUNDS) > 2.3


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=8))
def test_a_run_has_one_colour_and_shares_it_with_none(keys: list[str]) -> None:
    colours = colours_of(keys)
    assert len(set(colours.values())) == len(keys)
    assert set(colours.values()) <= set(PALETTE)
    assert colours == colours_of(keys)
    if keys:
        assert colours[keys[0]] == colours_of(keys[:1])[keys[0]]  # who joins later takes nobody's


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_plain_text_is_shown_as_it_stands(text: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parseInline(plain(text.strip()))[0].children or []
    assert {token.type for token in tokens} <= {"text", "text_special"}
    assert "".join(token.content for token in tokens) == text.strip()
