"""Arguments as they are sent, and results as they are received: in Convex's encoding, typed by the function."""

from __future__ import annotations

import base64
import json
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator

from ..errors import InvalidArguments, InvalidResult
from ..functions.encoding import NotEncodable, encode_any, encoding_serializer, reason_of
from ..functions.json_text import MalformedJson, decode_values, number_with_fraction
from ..functions.names import with_camel_names
from ..functions.references import Reference
from ..functions.registry import AnyFunction
from ..functions.validate import BASE64, own, path_of, with_base64

MANY_FUNCTIONS: Final = 1024


def name_on_server(target: AnyFunction | Reference | str, package: str | None) -> str:
    """The name of a function in its app. Where the app is not loaded, its place in Python tells.

    Args:
        target: The function, or its name.
        package: The import name of the app's package. None: the outermost package.
    """
    if isinstance(target, Reference | str):
        return str(target)
    module, own_name = target.handler.__module__, target.handler.__qualname__
    if target.name != f"{module}:{own_name}":
        return target.name  # the app is loaded here as well
    root = package or module.partition(".")[0]
    place = module.removeprefix(f"{root}.") if module != root else root.rpartition(".")[2]
    return f"{place.replace('.', '/')}:{own_name}"


def encoded_arguments(function: AnyFunction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """The arguments of a call as JSON.

    Raises:
        InvalidArguments: They do not fit the function's signature, or have no form in JSON.
    """
    values = function.arguments.bind(function.name, args, kwargs)
    try:
        return serializer_of(function).to_json(values, by_alias=True, warnings="error")
    except (PydanticSerializationError, UnicodeError, RecursionError) as error:
        raise InvalidArguments(f"{function.name}: the arguments cannot be sent: {reason_of(error)}") from error


def encoded_values(name: str, values: dict[str, Any]) -> bytes:
    """The arguments of a call by name as JSON.

    Raises:
        InvalidArguments: They have no form in JSON.
    """
    try:
        return encode_any(values)
    except NotEncodable as error:
        raise InvalidArguments(f"{name}: the arguments cannot be sent: {error}") from error


def parse(text: str | bytes) -> Any:
    """The JSON of a server. Whole numbers are ``int``."""
    return json.loads(text, parse_float=number_with_fraction)


def any_result(name: str, received: object) -> Any:
    """A result whose type is not known: of JSON's types, ``int`` and ``bytes``."""
    try:
        return decode_values(received)
    except MalformedJson as error:
        raise InvalidResult(f"{name}: the server's result cannot be read: {error}") from error


def typed_result(function: AnyFunction, received: object) -> Any:
    """A result as the function's return annotation says, as if it was called here.

    Raises:
        InvalidResult: It is another one. The server runs another version of the function.
    """
    text = json.dumps(any_result(function.name, received), default=base64_text)
    try:
        return validator_of(function).validate_json(text)
    except ValidationError as error:
        issues = "; ".join(f"{path_of(i['loc'], 'result')}: {i['type']}" for i in error.errors(include_input=False))
        raise InvalidResult(f"{function.name}: the server's result is of another type: {issues}") from error


def base64_text(value: object) -> str:
    assert isinstance(value, bytes)
    return base64.b64encode(value).decode()


@lru_cache(MANY_FUNCTIONS)
def serializer_of(function: AnyFunction) -> SchemaSerializer:
    """What writes the arguments of a function."""
    schema: Any = function.arguments.adapter.core_schema
    return encoding_serializer(schema)


@lru_cache(MANY_FUNCTIONS)
def validator_of(function: AnyFunction) -> SchemaValidator:
    """What reads the results of a function, by their names in Python and in camelCase: which, the server decides."""
    schema: Any = with_camel_names(with_base64(function.result.adapter.core_schema))
    validator: SchemaValidator = own(SchemaValidator, schema, BASE64)
    return validator
