"""Which settings to try: Optuna asks, each trial is a ladder in a worktree of its own and afterwards a DVC experiment."""
