"""What all sections of the settings share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RUNGS = ("8k", "16k", "24k")
CHECKPOINTS = ("base", *RUNGS)  # in the order of the climb

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Pin = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|git-blob:[0-9a-f]{40})$")]
"""The hash of a file's bytes: DVC's md5, or the id that git gives them (where a release's tree is all that tells it)."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
