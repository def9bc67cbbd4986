"""Names in JSON: as they are written in Python, or in camelCase."""

from __future__ import annotations

import re
from typing import Any, Final

CLASSES: Final = ("model", "dataclass", "typed-dict")
WORD: Final = re.compile(r"(?<=[^_])_+([^_])")


def outside_name(name: str, camel: bool) -> str:
    """The name of an argument, a field or a function as clients see it.

    ``camel``: whether names are camelCase outside, as the settings say.
    """
    if not camel or name.upper() == name:
        return name
    return WORD.sub(lambda match: match[1].upper(), name)


def outside_function(name: str, camel: bool) -> str:
    """``plugins/emailSenders:sendMail`` for ``plugins/email_senders:send_mail``."""
    place, colon, own = name.partition(":")
    places = "/".join(outside_name(part, camel) for part in place.split("/"))
    return f"{places}{colon}{outside_name(own, camel)}"


def with_camel_names(schema: Any) -> Any:
    """A pydantic schema whose fields are camelCase in JSON, and are read by their own names too.

    Keys of plain dicts are data and stay as they are, and so does a field that has an alias of its own.
    """
    if type(schema) in (list, tuple):
        return type(schema)(with_camel_names(each) for each in schema)
    if type(schema) is not dict:
        return schema
    changed = {key: each if key == "metadata" else with_camel_names(each) for key, each in schema.items()}
    kind = changed.get("type")
    if kind in ("model-fields", "typed-dict"):
        taken = set(changed["fields"])
        changed["fields"] = {name: named(name, field, taken) for name, field in changed["fields"].items()}
    if kind == "dataclass-args":
        taken = {field["name"] for field in changed["fields"]}
        changed["fields"] = [named(field["name"], field, taken) for field in changed["fields"]]
    if kind in ("model-fields", "typed-dict", "dataclass-args"):
        computed = changed.get("computed_fields", [])
        changed["computed_fields"] = [
            field if "alias" in field else {**field, "alias": outside_name(field["property_name"], True)}
            for field in computed
        ]
    if kind == "tagged-union" and isinstance(changed["discriminator"], str):
        inside = changed["discriminator"]
        if (outside := outside_name(inside, True)) != inside:
            changed["discriminator"] = [[outside], [inside]]
    if kind in CLASSES:
        changed["config"] = {**changed.get("config", {}), "validate_by_name": True, "validate_by_alias": True}
    return changed


def named(name: str, field: dict[str, Any], taken: set[str]) -> dict[str, Any]:
    """The schema of a field with the name that it has outside, unless it has an alias or the name is another's."""
    outside = outside_name(name, True)
    if outside == name or outside in taken or "validation_alias" in field or "serialization_alias" in field:
        return field
    return {**field, "validation_alias": outside, "serialization_alias": outside}
