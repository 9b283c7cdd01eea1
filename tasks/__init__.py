"""Rewards of one's own: `task.reward: tasks.MODULE:FUNCTION` in params.yaml names one. See docs/own-task.md."""
