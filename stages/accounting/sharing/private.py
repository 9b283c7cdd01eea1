"""What a record must not tell of the machines and people behind it: their paths, hosts, addresses and users.

Of a path within the workspace the part below it stays, of the home folder ``~``, of any other absolute path its last name.
Hosts and users are left out of messages; attempts number their machines instead.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stages.terminal import printable

# Not within an address (https://a/b) or a relative path: neither is of a machine.
_ABSOLUTE = re.compile(r"""(?<![\w.:/~…-])/(?:[^\s/'"`,:;()\[\]]+/)+""")
_ADDRESS = re.compile(r"\b(https?|wss?)://[^\s/'\"]+")


@dataclass(frozen=True, slots=True)
class Private:
    """`folders` are workspaces, `home` the user's, `names` the hosts and the user."""

    folders: tuple[str, ...]
    home: str
    names: tuple[str, ...]

    def cleaned(self, value: Any) -> Any:
        """`value` with every text in it, keys too, without private paths and without characters that a terminal obeys."""
        match value:
            case dict():
                return {" ".join(self.cleaned(key).split()): self.cleaned(one) for key, one in value.items()}
            case list() | tuple():
                return [self.cleaned(one) for one in value]
            case str():
                return self._path_free(printable(value))
            case _:
                return value

    def message(self, text: str) -> str:
        """Free text, which may name hosts and users as well."""
        said = _ADDRESS.sub(r"\1://HOST", self.cleaned(text))
        for name in self.names:
            said = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "-", said)
        return said

    def _path_free(self, text: str) -> str:
        text = text.replace("file://", "")
        for folder in self.folders:
            text = re.sub(rf"{re.escape(folder)}(/|(?=\W|$))", lambda found: "" if found[1] else ".", text)
        if len(self.home) > 1:
            text = re.sub(rf"{re.escape(self.home)}(?=\W|$)", "~", text)
        return _ABSOLUTE.sub("…/", text)


def addresses_free(operations: Any) -> Any:
    """The section `operations` without the addresses of servers: only how many and by which protocol stays."""
    match operations:
        case dict():
            return {key: one if key == "prices" else addresses_free(one) for key, one in operations.items()}
        case list():
            return [addresses_free(one) for one in operations]
        case str():
            return re.sub(r"^(https?)://.*$", r"\1://HOST", operations)
        case _:
            return operations


def longest_first(texts: Iterable[str | None]) -> tuple[str, ...]:
    """So that of two folders the inner one is taken out first."""
    return tuple(sorted({text for text in texts if text and text != "/"}, key=lambda text: (-len(text), text)))
