"""What is around a chart's plot."""

# Streamlit alone would leave 20 pixels below the legend, above the buttons for downloads.
PADDING = {"left": 5, "top": 5, "right": 5, "bottom": 0}
