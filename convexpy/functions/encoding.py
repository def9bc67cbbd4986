"""Convex's encoding of values as JSON, in which each type has a form of its own.

A float is ``1.0``, and so is an ``int``, which is a number to clients. ``Int64`` is ``{"$integer": …}``, bytes are
``{"$bytes": …}``; NaN, infinities and -0 are ``{"$float": …}``. Times, UUIDs and decimals are text.

The schema of a result is rewritten once, so that pydantic's serializer writes these forms itself, in one pass.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from types import GeneratorType
from typing import Any, Final, cast

from pydantic import BaseModel, TypeAdapter
from pydantic_core import CoreConfig, PydanticSerializationUnexpectedValue, SchemaSerializer, to_json
from pydantic_core.core_schema import (
    SerializationInfo,
    SerializerFunctionWrapHandler,
    plain_serializer_function_ser_schema,
    wrap_serializer_function_ser_schema,
)

from .int64 import IS_INT64
from .json_text import LARGEST_NUMBER, decode_values, is_special
from .names import with_camel_names

Schema = dict[str, Any]

ENCODED: Final = CoreConfig(ser_json_bytes="base64", ser_json_inf_nan="constants")
CLASSES: Final = ("model", "dataclass", "typed-dict")
KEY: Final = re.compile(r"(?!\$)[ -~]{0,1024}")
"""The keys that clients accept."""
REASON: Final = re.compile(r"NotEncodable: (.*?)\)?$", re.MULTILINE)


class NotEncodable(ValueError):
    """A value has no form in Convex's encoding."""


def number(value: object) -> float:
    """The form of an ``int``."""
    if type(value) is int and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return float(value)
    if isinstance(value, float) and value.is_integer():
        return number(int(value))
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticSerializationUnexpectedValue(f"expected int, not {type(value).__name__}")
    if abs(value) <= LARGEST_NUMBER:  # of a subclass
        return float(value)
    raise NotEncodable(
        f"{shown(value)} is beyond 2**53, and would reach clients as another number. Annotate it with convexpy.Int64"
    )


def integer(value: object) -> Schema:
    """The form of an ``Int64``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise PydanticSerializationUnexpectedValue(f"expected int, not {type(value).__name__}")
    try:
        return {"$integer": base64.b64encode(value.to_bytes(8, "little", signed=True)).decode()}
    except OverflowError:
        raise NotEncodable(f"{shown(value)} is beyond the 64 bits of an Int64") from None


def floating(value: object) -> object:
    """The form of a ``float``."""
    if isinstance(value, float):
        if is_special(value):
            return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}
        return value
    return number(value)


def binary(value: object) -> Schema:
    """The form of ``bytes``."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise PydanticSerializationUnexpectedValue(f"expected bytes, not {type(value).__name__}")
    return {"$bytes": base64.b64encode(value).decode()}


def key_of(key: Any) -> Any:
    """The key of an object, if clients accept it."""
    if isinstance(key, str) and KEY.fullmatch(key) is None:
        raise NotEncodable(
            f"{key[:100]!r} cannot be a key of an object: clients refuse keys that begin with $, are longer than 1,024 "
            "characters, or are not printable ASCII. Return a list of pairs, or give the field an alias"
        )
    return key


def written_key(key: Any, handler: SerializerFunctionWrapHandler) -> Any:
    return key_of(handler(key))


def with_checked_extras(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    """The form of a model or of a ``TypedDict`` that keeps what it does not know."""
    for key in value if isinstance(value, dict) else getattr(value, "__pydantic_extra__", None) or ():
        key_of(key)
    return handler(value)


def free_form(value: Any, info: SerializationInfo) -> Any:
    """The form of a value whose type is known only now."""
    context = cast("dict[str, Any] | None", info.context)
    return form_of(value, context or {})


def form_of(value: Any, context: Mapping[str, Any], *, has_forms: bool = False) -> Any:
    """A value with every part in its form. ``has_forms``: some parts are so already."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if isinstance(value, Enum):
        return form_of(value.value, context)
    if isinstance(value, int | float):
        return value if kind is bool else floating(value) if isinstance(value, float) else number(value)
    if isinstance(value, dict):
        if has_forms and is_form(value):
            return value
        return {key_of(key): form_of(each, context, has_forms=has_forms) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset | deque | GeneratorType):
        return [form_of(each, context, has_forms=has_forms) for each in cast("list[Any]", value)]
    if isinstance(value, bytes | bytearray | memoryview):
        return binary(value)
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        serializer = serializer_of(cast(Hashable, kind), bool(context.get("camel")))
        return serializer.to_python(value, mode="json", by_alias=True, warnings="error", context=dict(context))
    return value  # pydantic knows times and the like


def is_form(items: dict[Any, Any]) -> bool:
    """Whether a dict is the tagged form of a value."""
    try:
        return len(items) == 1 and str(next(iter(items))).startswith("$") and not isinstance(decode_values(items), dict)
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def serializer_of(kind: Hashable, camel: bool) -> SchemaSerializer:
    """The serializer of a class that was met where anything may stand."""
    made: TypeAdapter[Any] = TypeAdapter(cast("type[Any]", kind))
    schema: Any = made.core_schema
    return encoding_serializer(with_camel_names(schema) if camel else schema)


def finished(value: Any, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
    """The form of what a serializer gives that writes plain JSON values."""
    return form_of(handler(value), cast("dict[str, Any] | None", info.context) or {}, has_forms=True)


ANY: Final[Schema] = {
    "type": "any",
    "serialization": plain_serializer_function_ser_schema(free_form, info_arg=True),
}
FLOAT: Final[Schema] = {"type": "float"}
NUMBER: Final = plain_serializer_function_ser_schema(number, return_schema=cast(Any, FLOAT))
INTEGER: Final = plain_serializer_function_ser_schema(integer)
FLOATING: Final = plain_serializer_function_ser_schema(floating)
BINARY: Final = plain_serializer_function_ser_schema(binary)
CHECKED_KEY: Final = plain_serializer_function_ser_schema(key_of)

# The kinds of schemas that write text, true, false or null by themselves, or what another schema says.
PLAIN: Final = frozenset(
    {
        "none",
        "bool",
        "str",
        "datetime",
        "date",
        "time",
        "timedelta",
        "uuid",
        "url",
        "multi-host-url",
        "decimal",
        "definition-ref",
    }
)
# Those whose values are keys that clients accept.
ASCII_KEYS: Final = frozenset({"int", "float", "bool", "uuid", "datetime", "date", "time", "timedelta", "decimal"})
# Those whose values may be anything.
FREE: Final = frozenset({"any", "is-instance", "function-plain"})
# Those that contain others, and under which keys.
CONTAINERS: Final[Mapping[str, tuple[str, ...]]] = {
    "model": ("schema",),
    "model-fields": ("fields", "computed_fields"),
    "model-field": ("schema",),
    "dataclass": ("schema",),
    "dataclass-args": ("fields", "computed_fields"),
    "dataclass-field": ("schema",),
    "typed-dict": ("fields", "computed_fields"),
    "typed-dict-field": ("schema",),
    "computed-field": ("return_schema",),
    "list": ("items_schema",),
    "set": ("items_schema",),
    "frozenset": ("items_schema",),
    "generator": ("items_schema",),
    "tuple": ("items_schema",),
    "dict": ("values_schema",),
    "nullable": ("schema",),
    "default": ("schema",),
    "function-before": ("schema",),
    "function-after": ("schema",),
    "function-wrap": ("schema",),
    "union": ("choices",),
    "tagged-union": ("choices",),
    "chain": ("steps",),
    "lax-or-strict": ("lax_schema", "strict_schema"),
    "json-or-python": ("json_schema", "python_schema"),
    "definitions": ("schema", "definitions"),
}
# Where a schema need not say what it contains, it may contain anything.
IMPLIED: Final = ("items_schema", "values_schema")


def encoding_serializer(schema: Any) -> SchemaSerializer:
    """The serializer of a type that writes Convex's encoding."""
    rewritten: Any = encoded(schema)
    try:
        return SchemaSerializer(rewritten, ENCODED, _use_prebuilt=False)
    except TypeError:  # a pydantic that does not use what classes have made for themselves anyway
        return SchemaSerializer(rewritten, ENCODED)


def encoded(schema: Schema) -> Schema:
    """A schema whose serializer writes Convex's encoding."""
    kind, own = schema["type"], schema.get("serialization")
    if own is not None:
        return with_own_serializer(schema, own)
    if kind in PLAIN:
        return schema
    if kind == "int":
        return {**schema, "serialization": INTEGER if schema.get("metadata", {}).get(IS_INT64) else NUMBER}
    if kind in ("float", "bytes"):
        return {**schema, "serialization": FLOATING if kind == "float" else BINARY}
    if kind in FREE:
        return {**schema, "serialization": ANY["serialization"]}
    if kind in ("literal", "enum"):
        return with_constants(schema)
    if kind not in CONTAINERS:
        return around(schema)
    changed = dict(schema)
    for key in CONTAINERS[kind]:
        if key in schema:
            is_map = isinstance(schema[key], dict) and (key == "fields" or kind == "tagged-union")
            changed[key] = encoded_map(schema[key]) if is_map else encoded_parts(schema[key])
        elif key in IMPLIED:
            changed[key] = ANY
    if kind in ("model-fields", "dataclass-args", "typed-dict"):
        check_names(schema)
    if kind == "dict":
        changed["keys_schema"] = with_checked_keys(schema.get("keys_schema", {"type": "any"}))
    if kind in CLASSES:
        config = schema.get("config", {})
        changed["config"] = {**config, **ENCODED}
        if "allow" in (config.get("extra_fields_behavior"), schema.get("extra_behavior")):
            return with_free_extras(changed)
    return changed


def check_names(schema: Schema) -> None:
    """Refuse names of fields that clients refuse."""
    fields = schema.get("fields", {})
    named = fields.items() if isinstance(fields, dict) else ((field["name"], field) for field in fields)
    for name, field in named:
        if not field.get("serialization_exclude"):
            key_of(field.get("serialization_alias", name))
    for field in schema.get("computed_fields", ()):
        key_of(field.get("alias", field["property_name"]))


def with_free_extras(schema: Schema) -> Schema:
    """A class that keeps what it does not know."""
    inner = {key: value for key, value in with_extras_schema(schema).items() if key != "ref"}
    return outside_of(schema, wrap_serializer_function_ser_schema(with_checked_extras, schema=cast(Any, inner)))


def with_extras_schema(schema: Schema) -> Schema:
    if schema["type"] in ("model-fields", "typed-dict"):
        return {**schema, "extras_schema": ANY}
    return {**schema, "schema": with_extras_schema(schema["schema"])} if "schema" in schema else schema


def outside_of(schema: Schema, serialization: Any) -> Schema:
    """What stands in the place of a schema, also where others refer to it."""
    outer: Schema = {"type": "any", "serialization": serialization}
    return {**outer, "ref": schema["ref"]} if "ref" in schema else outer


def encoded_parts(parts: Any) -> Any:
    if isinstance(parts, dict):
        return encoded(cast(Schema, parts))
    if isinstance(parts, list):
        return [encoded_parts(part) for part in parts]
    if isinstance(parts, tuple):  # a choice of a union, and its label
        choice, *label = parts
        return (encoded(choice), *label)
    return parts


def encoded_map(parts: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: encoded_parts(part) for name, part in parts.items()}


def with_own_serializer(schema: Schema, own: Schema) -> Schema:
    """A schema whose type says itself how it is written."""
    if own["type"] in ("to-string", "format"):
        return schema
    if own["type"] == "any":
        return {**schema, "serialization": ANY["serialization"]}
    if own["type"] == "function-plain":
        return {
            **schema,
            "serialization": {**own, "return_schema": encoded(own.get("return_schema") or {"type": "any"})},
        }
    return around(schema)


def around(schema: Schema) -> Schema:
    """A schema around one that writes plain JSON values. Bytes are base64 there."""
    inner: Any = {key: value for key, value in schema.items() if key != "ref"}
    return outside_of(schema, wrap_serializer_function_ser_schema(finished, info_arg=True, schema=inner))


def with_constants(schema: Schema) -> Schema:
    """A schema of a few known values: literals, or the members of an enum."""
    is_enum = schema["type"] == "enum"
    known: list[Any] = schema["members"] if is_enum else schema["expected"]
    values = [each.value if isinstance(each, Enum) else each for each in known]
    if all(isinstance(value, str | bool | None) for value in values):
        return schema

    def constant(value: Any, info: SerializationInfo) -> Any:
        if not any(value is each or (type(value) is type(each) and value == each) for each in known):
            raise PydanticSerializationUnexpectedValue(f"expected one of {known!r}")
        return free_form(value, info)

    return {**schema, "serialization": plain_serializer_function_ser_schema(constant, info_arg=True)}


def with_checked_keys(schema: Schema) -> Schema:
    """The schema of an object's keys. Keys are text, whatever they are made of."""
    if schema["type"] in ASCII_KEYS and "serialization" not in schema:
        return schema
    if schema["type"] in ("str", "any") and "serialization" not in schema:
        return {"type": "any", "serialization": CHECKED_KEY}
    inner = {key: value for key, value in schema.items() if key != "ref"}
    return {"type": "any", "serialization": wrap_serializer_function_ser_schema(written_key, schema=cast(Any, inner))}


def encode_any(value: object, *, camel: bool = False) -> bytes:
    """A value of any type as JSON in Convex's encoding.

    Raises:
        NotEncodable: It has no such form.
    """
    try:
        return to_json(form_of(value, {"camel": camel}), by_alias=True, inf_nan_mode="constants")
    except (ValueError, RecursionError) as error:
        raise NotEncodable(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """Why a value could not be encoded, without what pydantic says of its own way to it."""
    text = str(error)
    found = REASON.search(text)
    return found[1] if found is not None else text


def clean_json(encoded_json: bytes) -> bytes:
    """Convex's encoding as plain JSON, which is easier to read and loses types.

    A 64-bit integer becomes a decimal string, bytes base64, and what is not finite a string such as ``"NaN"``.
    """
    return CLEAN_ENCODER.encode(CLEAN_DECODER.decode(encoded_json.decode())).encode()


def clean_object(values: dict[str, Any]) -> Any:
    if len(values) != 1 or next(iter(values)) not in ("$integer", "$float", "$bytes"):
        return values
    ((tag, text),) = values.items()
    if tag == "$bytes":
        return text
    decoded = decode_values(values)
    if tag == "$integer":
        return str(decoded)
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(decoded), decoded)


def clean_number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= LARGEST_NUMBER else value


# Made once: json.loads and json.dumps would make new ones for every text.
CLEAN_DECODER: Final = json.JSONDecoder(object_hook=clean_object, parse_float=clean_number)
CLEAN_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def shown(value: int) -> str:
    return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"
