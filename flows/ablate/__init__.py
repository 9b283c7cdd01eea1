"""Seeds and ablations: one run proves nothing."""
