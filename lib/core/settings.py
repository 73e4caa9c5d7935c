"""Strict settings: every yaml file is checked against one of these classes before anything starts."""

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from lib.core.errors import UserError, unknown


class Strict(BaseModel):
    """Base of every settings class: an unknown key is an error that names the nearest one, and values do not change.

    The fields carry the documentation: `Field(description=...)` is what an editor shows while a yaml file is typed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, content):
        # pydantic's own message does not say which key was probably meant
        if isinstance(content, dict) and (extra := sorted(set(content) - set(cls.model_fields))):
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
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    raise UserError(f"{where}: {key or 'value'}: {first['msg'].lower()}{got}")
