"""To come."""

import streamlit as st

from dashboards.view import View


def draw(view: View) -> None:
    st.header("Samples")
