"""Embeddings of texts, computed once: a folder of whole files, by what was read and by what read it.

A file holds some thousand embeddings (float16: an embedding is used as it comes back from the disk, whether it has been there
or not) and appears at once. Who is interrupted loses the file that was in the making; a file that can't be read is made anew.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stages.store.files import whole_file

Embeddings = NDArray[np.float32]  # (N, D), each row of length 1

ROWS_A_FILE = 1024
MAX_ROWS = 400_000  # 300 MB; the oldest files make room
KEY_BYTES = 16


class TextEncoder(Protocol):
    def embed(self, texts: Iterable[str]) -> Iterator[Embeddings]: ...


class EmbeddingCache:
    """The embeddings of one encoder, told by its `name`; `make` is called when a text is missing, and not before."""

    def __init__(self, folder: Path, name: str, make: Callable[[], TextEncoder]) -> None:
        self._folder = folder / name
        self._make = make
        self._places: dict[bytes, tuple[int, int]] = {}
        self._files: list[NDArray[np.float16]] = []
        for path in sorted(self._folder.glob("*.npz")):
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            path.unlink(missing_ok=True)
            return
        self._add([bytes(key) for key in keys], vectors)

    def _add(self, keys: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        self._places.update((key, (len(self._files), row)) for row, key in enumerate(keys))
        self._files.append(vectors)

    def embed(self, texts: Sequence[str], progress: Callable[[int, int], None] = lambda done, of: None) -> Embeddings:
        """The embeddings of `texts`, in order; those that are missing are computed and kept."""
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._places}
        if missing:
            self._fill(missing, progress)
        rows = [self._files[file][row] for file, row in (self._places[key] for key in keys)]
        found = np.stack(rows).astype(np.float32)
        length: Embeddings = np.linalg.norm(found, axis=1, keepdims=True)
        return found / length

    def missing(self, texts: Sequence[str]) -> int:
        return len({_key(text) for text in texts} - self._places.keys())

    def _fill(self, missing: dict[bytes, str], progress: Callable[[int, int], None]) -> None:
        keys, encoder = list(missing), self._make()
        for start in range(0, len(keys), ROWS_A_FILE):
            some = keys[start : start + ROWS_A_FILE]
            vectors = np.concatenate(list(encoder.embed(missing[key] for key in some))).astype(np.float16)
            self._write(some, vectors)
            self._add(some, vectors)
            progress(start + len(some), len(keys))

    def _write(self, keys: Sequence[bytes], vectors: NDArray[np.float16]) -> None:
        present = sorted(self._folder.glob("*.npz"))
        for path in present[: max(0, len(present) - MAX_ROWS // ROWS_A_FILE + 1)]:
            path.unlink(missing_ok=True)
        last = int(present[-1].stem.split("-")[0]) if present else 0
        name = last + 1
        digest = hashlib.sha256(b"".join(keys)).hexdigest()[:8]  # two processes at once don't write one name
        stacked: NDArray[Any] = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), KEY_BYTES)
        with whole_file(self._folder / f"{name:06d}-{digest}.npz") as partial, partial.open("wb") as file:
            np.savez(file, keys=stacked, vectors=vectors)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]
