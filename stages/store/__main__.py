"""Bring the data and weights that params.yaml pins. `python -m stages.store fetch [--from FOLDER | --remote NAME]`

Without an option they come from the hub. A file that is already here with the pinned bytes is left alone.
"""

import argparse
from pathlib import Path

from stages.errors import exit_on_error
from stages.params import load_params
from stages.store.fetch import from_folder, from_hub, from_remote, pinned_files


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.store", description=__doc__)
    fetch = parser.add_subparsers(required=True).add_parser("fetch", help="bring what params.yaml pins")
    origin = fetch.add_mutually_exclusive_group()
    origin.add_argument("--from", dest="folder", type=Path, help="a folder that holds the files, under any path")
    origin.add_argument("--remote", help="a DVC remote that holds them")
    arguments = parser.parse_args()
    files = pinned_files(load_params())
    if not files:
        print("params.yaml pins no file: there is nothing to fetch")
    for file in files:
        if file.is_here:
            print(f"{file.path}: already here")
            continue
        if arguments.folder:
            from_folder(file, arguments.folder)
        elif arguments.remote:
            from_remote(file, arguments.remote)
        else:
            from_hub(file)
        print(f"{file.path}: fetched, its bytes are {file.pin}")


if __name__ == "__main__":
    exit_on_error(main)
