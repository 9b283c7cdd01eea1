"""A DVC experiment's files, wherever they are: in Git, in the cache, at a remote."""

from pathlib import Path

from dvc.api import DVCFileSystem


class SavedExperiment:
    def __init__(self, name: str, repository: Path = Path()) -> None:
        self._files = DVCFileSystem(str(repository.resolve()), rev=name)

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError where the experiment did not make it."""
        content: bytes = self._files.read_bytes(path)
        return content
