"""One rung of GRPO: advantages, loss, the loop, and a resume that is exact."""
