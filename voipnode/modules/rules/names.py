"""Names of what the settings have elsewhere, as rules use them: whether it is there is checked with the whole file."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field

NAMES = "names"  # of a field's schema: what it names, in the words of a complaint
SUGGEST = "suggest"  # of a field's schema: what it may name, among other things

Name = Annotated[str, Field(max_length=64)]  # of something that nobody declares
Free = Annotated[str, Field(min_length=1, max_length=64)]  # which is there by being named

Account = Annotated[str, Field(max_length=80, json_schema_extra={NAMES: "account"})]
Button = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "button"})]
Clip = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "clip"})]
Detector = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "detector"})]
Extension = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "extension"})]
Indicator = Annotated[str, Field(max_length=32, json_schema_extra={NAMES: "indicator"})]
Input = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "input"})]
Page = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "display page"})]
Party = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "contact or group"})]
Plugin = Annotated[str, Field(max_length=32, json_schema_extra={NAMES: "plug-in"})]
Port = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "port"})]
Profile = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "light profile"})]
Reader = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "reader"})]
Schedule = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "schedule"})]
PulsingSchedule = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "schedule with pulse_every_s"})]
Sequence = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "[[dtmf]] sequence"})]
StateSubscription = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "subscription with on"})]
MomentSubscription = Annotated[str, Field(max_length=64, json_schema_extra={NAMES: "subscription without on"})]


def named_fields(kind: type[BaseModel]) -> dict[str, str]:
    """The fields of a condition or action that name something, each with what."""
    return _named_fields(cast("Any", kind))  # mypy takes a model's type for unhashable


@cache
def _named_fields(kind: Any) -> dict[str, str]:
    found = {}
    for name, field in kind.model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and NAMES in extra:
            found[name] = str(extra[NAMES])
    return found
