"""Arguments and results: validated by pydantic against the handler's annotations, and stored as JSON."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, NotRequired, Required, cast, get_args, get_type_hints

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreConfig, PydanticSerializationError, SchemaSerializer, SchemaValidator, to_jsonable_python
from typing_extensions import TypedDict

from ..errors import InvalidArguments, InvalidResult, LoadError, text_of
from .encoding import NotEncodable, encoding_serializer, reason_of
from .names import outside_name, with_camel_names
from .pagination import ARGUMENT, is_options
from .round_trip import difference

# Bytes and non-finite numbers have no JSON form: these keep them exact in a stored job.
SHAPE: Final = ConfigDict(
    extra="forbid",
    val_json_bytes="base64",
    validate_by_name=True,
    validate_by_alias=True,
    hide_input_in_errors=True,
)
JSON_FORM: Final = CoreConfig(ser_json_bytes="base64", ser_json_inf_nan="strings")
BASE64: Final = CoreConfig(ser_json_bytes="base64", val_json_bytes="base64")
CLASSES: Final = ("model", "dataclass", "typed-dict")
NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class Arguments:
    """The arguments of one function: an object with one key a parameter, and no others.

    A parameter with a default may be absent, in a stored job too: the default at the time of the run applies. So a new
    optional parameter never breaks a job that is already scheduled.
    """

    def __init__(self, handler: Callable[..., Any], place: str) -> None:
        self.signature = inspect.signature(handler)
        self.parameters = list(self.signature.parameters.values())[1:]
        self.names = frozenset(parameter.name for parameter in self.parameters)
        self.title = handler.__name__
        hints = resolved_annotations(handler, place)
        fields = {parameter.name: field_of(parameter, hints.get(parameter.name, Any)) for parameter in self.parameters}
        self.pagination = frozenset(name for name in self.names if is_options(hints.get(name)))
        """The parameters that take ``PaginationOpts``."""
        if len(self.pagination) > 1:
            raise LoadError([f"{place}: {handler.__name__!r} makes one page, so it takes PaginationOpts once"])
        make_shape: Any = TypedDict  # built at run time, which no type checker can follow
        shape = make_shape(f"{handler.__name__}_arguments", fields)
        shape.__pydantic_config__ = SHAPE
        self.adapter: TypeAdapter[dict[str, Any]]
        self.adapter, self.serializer = adapter(shape, f"{place}: the parameters of {handler.__name__!r}")
        self._camel: SchemaValidator | None = None

    def bind(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The checked values of a call from Python."""
        try:
            bound = self.signature.bind(None, *args, **kwargs).arguments if args else None
        except TypeError as error:
            raise InvalidArguments(f"{function}: {error}") from None
        if bound is None:
            return self.check(function, dict(kwargs))
        del bound[next(iter(self.signature.parameters))]
        return self.check(function, dict(bound))

    def check(self, function: str, values: object) -> dict[str, Any]:
        """The checked values of a call, from Python values."""
        try:
            return self.adapter.validate_python(values)
        except ValidationError as error:
            raise self.invalid(function, error) from None

    def check_json(self, function: str, values: object, *, camel: bool = False) -> dict[str, Any]:
        """The checked values of a call, from parsed JSON: bytes are base64, and strict types read from text.

        ``camel``: names may be camelCase too, and are so in errors.
        """
        validator = self.validator(camel)
        try:
            text = json.dumps(values)
        except (TypeError, ValueError, RecursionError):
            text = None  # there are bytes; or it is not JSON, and the error of the schema names the value
        try:
            checked = validator.validate_python(values) if text is None else validator.validate_json(text)
        except ValidationError as error:
            raise self.invalid(function, error, camel=camel) from None
        return cast("dict[str, Any]", checked)

    def validator(self, camel: bool) -> Any:
        """What checks values from JSON. ``camel``: by camelCase names too."""
        if not camel:
            return self.adapter.validator
        if self._camel is None:
            self._camel = own(SchemaValidator, with_camel_names(with_base64(self.adapter.core_schema)), BASE64)
        return self._camel

    def load(self, function: str, stored: str) -> dict[str, Any]:
        """The checked values of a stored job."""
        try:
            return self.adapter.validate_json(stored)
        except ValidationError as error:
            raise self.invalid(function, error) from None

    def store(self, function: str, values: dict[str, Any]) -> str:
        """Checked values as the JSON text of a job. Refused if they would load as other values."""
        try:
            stored = self.serializer.to_json(values, warnings="error", by_alias=True, round_trip=True).decode()
            loaded = self.adapter.validate_json(stored)
            changes = [difference(value, loaded.get(name), name) for name, value in values.items()]
        except (PydanticSerializationError, ValidationError, UnicodeError, RecursionError) as error:
            raise InvalidArguments(f"{function}: the arguments cannot be stored as JSON: {error}") from None
        if changed := [change for change in changes if change is not None]:
            raise InvalidArguments(
                f"{function}: after storage, {'; '.join(changed)}. Annotate the parameter with the exact type of what "
                "you pass, or keep the data in a table and pass its id"
            )
        if NUL.search(stored):
            raise InvalidArguments(f"{function}: the arguments contain a NUL character, which databases cannot store")
        return stored

    def invalid(self, function: str, error: ValidationError, *, camel: bool = False) -> InvalidArguments:
        """An error that lists every problem, as text and as data."""
        issues = [
            {"path": path_of(issue["loc"]), "message": issue["msg"], "type": issue["type"]}
            for issue in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        lines = [f"{issue['path']}: {issue['message']}{self.hint(issue, camel)}" for issue in issues]
        return InvalidArguments(f"{function}: bad arguments: " + "; ".join(lines), {"issues": issues})

    def hint(self, issue: Mapping[str, str], camel: bool) -> str:
        """A hint to the parameter that a wrong name was meant for."""
        if issue["type"] != "extra_forbidden" or "." in issue["path"]:
            return ""
        names = [self.outside(name, camel) for name in self.names]
        close = get_close_matches(issue["path"], names, n=1)
        if close:
            return f" (did you mean {close[0]!r}?)"
        return f" (it takes {', '.join(sorted(names))})" if names else " (it takes no arguments)"

    def outside(self, name: str, camel: bool) -> str:
        """The name of a parameter in JSON."""
        return ARGUMENT if name in self.pagination else outside_name(name, camel)

    def json_schema(self, *, camel: bool = False) -> dict[str, Any]:
        """The JSON schema of the arguments. ``camel``: with names in camelCase."""
        schema = json_schema_of(self.adapter, "validation", camel=camel)
        schema["title"] = self.title
        for parameter in self.parameters:
            if parameter.default is not inspect.Parameter.empty:
                default = to_jsonable_python(parameter.default, fallback=repr)
                name = self.outside(parameter.name, camel)
                schema["properties"].get(name, {}).setdefault("default", default)  # an alias may stand there
        return schema


class ReturnValue:
    """The return value of one function, checked inside its transaction."""

    def __init__(self, handler: Callable[..., Any], place: str) -> None:
        annotation = resolved_annotations(handler, place).get("return", Any)
        self.adapter, self.serializer = adapter(annotation, f"{place}: the result of {handler.__name__!r}")
        self._encoders: dict[bool, SchemaSerializer] = {}

    def check(self, function: str, value: object) -> Any:
        """The checked result. A model may be read from the attributes of a row or of another object."""
        try:
            return self.adapter.validate_python(value, from_attributes=True)
        except ValidationError as error:
            # Path and type only: the values may be secrets of the server.
            issues = "; ".join(f"{path_of(i['loc'], 'result')}: {i['type']}" for i in error.errors(include_input=False))
            raise InvalidResult(f"{function}: output validation failed: {issues}") from error

    def to_json(self, function: str, value: object, *, redacted: bool = False) -> Any:
        """A checked result as JSON values. ``redacted``: errors of jobs that are not for clients are left out."""
        try:
            return self.serializer.to_python(value, mode="json", by_alias=True, context={"redacted": redacted})
        except (PydanticSerializationError, UnicodeError, RecursionError) as error:
            raise InvalidResult(f"{function}: the result cannot be turned into JSON: {error}") from error

    def encode(self, function: str, value: object, *, redacted: bool = False, camel: bool = False) -> bytes:
        """A checked result as JSON in Convex's encoding.

        Args:
            function: Its name, for errors.
            value: The checked result.
            redacted: Whether errors of jobs that are not for clients are left out.
            camel: Whether names of fields are camelCase.

        Raises:
            InvalidResult: It has no such form, as an ``int`` beyond 2**53 has none.
        """
        try:
            return self.encoder(camel).to_json(
                value, by_alias=True, warnings="error", context={"redacted": redacted, "camel": camel}
            )
        except (PydanticSerializationError, NotEncodable, UnicodeError, RecursionError) as error:
            raise InvalidResult(f"{function}: the result cannot be encoded: {reason_of(error)}") from error

    def encoder(self, camel: bool) -> SchemaSerializer:
        """What writes the encoding, made when it is first needed: many a function is called by no client."""
        if camel not in self._encoders:
            schema: Any = self.adapter.core_schema
            self._encoders[camel] = encoding_serializer(with_camel_names(schema) if camel else schema)
        return self._encoders[camel]

    def json_schema(self, *, camel: bool = False) -> dict[str, Any]:
        """The JSON schema of the result. ``camel``: with names in camelCase."""
        return json_schema_of(self.adapter, "serialization", camel=camel)


def field_of(parameter: inspect.Parameter, annotation: Any) -> Any:
    """The annotation of a parameter; one with a default is not required."""
    required: Any = Required if parameter.default is inspect.Parameter.empty else NotRequired
    return required[Annotated[annotation, Field(alias=ARGUMENT)] if is_options(annotation) else annotation]


def resolved_annotations(handler: Callable[..., Any], place: str) -> dict[str, Any]:
    """The handler's annotations as types."""
    try:
        return get_type_hints(handler, include_extras=True)
    except Exception as error:
        raise LoadError(
            [
                f"{place}: an annotation of {handler.__name__!r} cannot be resolved: {text_of(error)}. "
                "Import the type at run time, not under TYPE_CHECKING"
            ]
        ) from error


def adapter(annotation: Any, what: str) -> tuple[TypeAdapter[Any], SchemaSerializer]:
    """The validator and the serializer of an annotation. ``what`` it is for is part of the error."""
    try:
        made: TypeAdapter[Any] = TypeAdapter(annotation)
        if has_bytes(made.core_schema, within_class=False):
            schema: Any = with_base64(made.core_schema)
            made.validator = own(SchemaValidator, schema, BASE64)
            return made, own(SchemaSerializer, schema, JSON_FORM)
        # The adapter's own serializer takes no configuration from a TypedDict, so it would lose NaN.
        return made, SchemaSerializer(made.core_schema, JSON_FORM)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        first = str(error).partition("\n")[0]
        if (mapped := mapped_class(annotation)) is not None:
            raise LoadError(
                [
                    f"{what} cannot be a schema: {mapped.__name__} is the class of a table, and its rows belong to a "
                    "session. For a result write a pydantic model of its columns, which reads rows; for an argument "
                    "take the row's id"
                ]
            ) from error
        raise LoadError([f"{what} cannot be a schema: {first} Use JSON-like types, or a pydantic model"]) from error


def json_schema_of(made: TypeAdapter[Any], mode: JsonSchemaMode, *, camel: bool) -> dict[str, Any]:
    if not camel:
        return made.json_schema(mode=mode)
    return GenerateJsonSchema(by_alias=True).generate(with_camel_names(made.core_schema), mode=mode)


def has_bytes(schema: object, *, within_class: bool) -> bool:
    """Whether a class within a schema has bytes, whose form in JSON the class decides."""
    if type(schema) in (list, tuple):
        return any(has_bytes(each, within_class=within_class) for each in cast("list[object]", schema))
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "bytes" and within_class:
        return True
    within_class = within_class or schema.get("type") in CLASSES
    return any(has_bytes(each, within_class=within_class) for each in schema.values())


def with_base64(schema: Any) -> Any:
    """A schema in which bytes are base64 within classes too, unless a class says otherwise."""
    if type(schema) in (list, tuple):
        return type(schema)(with_base64(each) for each in schema)
    if type(schema) is not dict:
        return schema
    changed = {key: with_base64(each) for key, each in schema.items()}
    if changed.get("type") in CLASSES:
        changed["config"] = {**BASE64, **changed.get("config", {})}
    return changed


def own(kind: Any, schema: Any, config: CoreConfig) -> Any:
    """A validator or serializer that uses none that its classes have made for themselves."""
    try:
        return kind(schema, config, _use_prebuilt=False)
    except TypeError:  # a pydantic that does not use them anyway
        return kind(schema, config)


def mapped_class(annotation: Any) -> type | None:
    """A class that SQLAlchemy maps to a table, on its own or within something like ``list[Order] | None``."""
    if isinstance(annotation, type) and hasattr(annotation, "__mapper__"):
        return annotation
    return next((found for inner in get_args(annotation) if (found := mapped_class(inner)) is not None), None)


def path_of(loc: tuple[int | str, ...], whole: str = "arguments") -> str:
    """``tags[0].name``; the name of the ``whole`` if the path is empty."""
    path = ""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path or whole
