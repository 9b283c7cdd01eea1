"""What one request to an endpoint may end with, other than a reply."""


class Failed(Exception):
    """A request that came to nothing.

    `again`: another may do better, after `wait_s` at the earliest where the endpoint says so; `busy`: it only has too much to do;
    `billed`: it may have been answered and counted, though nobody knows.
    """

    def __init__(
        self, message: str, *, again: bool, billed: bool = False, busy: bool = False, wait_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.again = again
        self.billed = billed
        self.busy = busy
        self.wait_s = wait_s


class Unreadable(Failed):
    """It answered, but with no reply of the protocol."""

    def __init__(self, message: str) -> None:
        super().__init__(message, again=True, billed=True)
