"""Strict settings: every yaml file is checked against one of these classes before anything starts."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from lib.core.errors import UserError, short, unknown

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator of random numbers takes


class Strict(BaseModel):
    """Base of every settings class: an unknown key is an error that names the nearest one, and values do not change.

    The fields carry the documentation: `Field(description=...)` is what an editor shows while a yaml file is typed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, content):
        # pydantic's own message does not say which key was probably meant
        if isinstance(content, dict) and (
            # as texts: yaml may have numbers or null for keys
            extra := sorted(map(short, set(content) - set(cls.model_fields)))
        ):
            raise PydanticCustomError(
                "unknown_key", "{text}", {"text": str(unknown("key", extra[0], cls.model_fields))}
            )
        return content


def validated(model: type[BaseModel], values: dict, where: str):
    """An instance of a settings class; raises UserError with one sentence that names the place and the key."""
    try:
        return model.model_validate(values)
    except ValueError as error:  # pydantic.ValidationError is one
        first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "unknown_key":
        raise UserError(": ".join(filter(None, [where, key, first["msg"]])))
    said = "should be a block of 'key: value'" if first["type"] == "model_type" else first["msg"].lower()
    got = "" if first["type"] == "missing" else f", got {_shown(first['input'])}"
    raise UserError(f"{where}: {key or 'value'}: {said}{got}")


def _shown(value) -> str:
    """A value as it may be written in yaml, and no more than a line of it."""
    if isinstance(value, int) and abs(value) >= 10**20:
        return f"a number of about {value.bit_length() * 0.30103:.0f} digits"
    try:
        return short(repr(value), 80)
    except ValueError:  # Python writes out no number of more than 4,300 digits, wherever it stands
        return "numbers of thousands of digits"


def blocks(content: dict, where: str) -> dict[str, dict]:
    """The settings of each alignment under `hyperparameters` of a backbone's yaml, without those that are left empty.

    Raises UserError where something else stands in their place; `where` names the file.
    """
    known = content.get("hyperparameters") or {}
    form = "write a block for each alignment, as in 'base: {layers: 2, reg_weight: 1.0e-6}'"
    if not isinstance(known, dict):
        raise UserError(f"{where}: hyperparameters: {form}, got {_shown(known)}")
    for name, block in known.items():
        if not isinstance(block, dict | None):
            raise UserError(f"{where}: hyperparameters: {short(name)}: {form}, got {_shown(block)}")
    return {name: block for name, block in known.items() if block is not None}
