"""The options of `project`, outside its room: no other command waits for that room's imports."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--longest-first", action="store_true", help="the last rung's context from the first day")
    parser.add_argument("--rollouts", type=int, metavar="N", help="so many rollouts a prompt in every rung")
    parser.add_argument("--device", metavar="NAME", help="on another device, by its name in prices.yaml")
    parser.add_argument("--profile", metavar="NAME", help="with the rungs of profiles/NAME.yaml")
    parser.add_argument(
        "--timed-steps",
        type=Path,
        metavar="FILE",
        help="the recipe by steps that benchmarks/gpu_step.py timed on --device",
    )
    parser.add_argument(
        "--first-steps", type=int, metavar="N", help="from the first N measured steps of each rung alone"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
