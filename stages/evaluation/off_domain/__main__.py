"""Draw the off-domain texts anew, from this installation of Python: `python -m stages.evaluation.off_domain draw`

Another version of Python has other texts, another pin and so another examination: the pins go to `evaluation.off_domain` of
params.yaml by hand.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from stages.errors import exit_on_error
from stages.evaluation.off_domain.draw import draw_code, draw_english, licence
from stages.store.digest import md5
from stages.store.files import write_bytes, write_jsonl

SAMPLE = Path(__file__).parent / "sample"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluation.off_domain", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "draw", help="write the texts, say their pins"
    )
    command.add_argument(
        "--to", type=Path, default=SAMPLE, metavar="FOLDER", help="where to (default: the repository's)"
    )
    command.add_argument("--seed", type=int, default=0, help="which texts (default: 0, the repository's)")
    options = parser.parse_args()
    terms = licence()
    for name, draw in {"code": draw_code, "english": draw_english}.items():
        path = options.to / f"{name}.jsonl"
        write_jsonl(path, (asdict(text) for text in draw(options.seed)))
        print(f"{path}: md5:{md5(path)}")
    write_bytes(options.to / "LICENSE.python.txt", terms)


if __name__ == "__main__":
    exit_on_error(main)
