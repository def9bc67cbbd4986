"""``TypeScriptTypes``: JSON schemas, as pydantic makes them, written as TypeScript types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from typing import Any, Final

Schema = Mapping[str, Any]

INDENT: Final = "  "
LONGEST_LINE: Final = 100
IDENTIFIER: Final = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
# How official clients see a page of a paginated query, and what they ask for one.
PAGE: Final = frozenset({"page", "isDone", "continueCursor"})
PAGE_OPTIONS: Final = frozenset({"numItems", "cursor"})
OFFICIAL: Final = frozenset({"FunctionReference", "PaginationOptions", "PaginationResult"})

TEXTS: Final = {
    "date-time": ("DateTimeText", 'A date and time as ISO 8601 text, such as "2026-01-07T12:00:00Z".'),
    "date": ("DateText", 'A date as ISO 8601 text, such as "2026-01-07".'),
    "time": ("TimeText", 'A time as ISO 8601 text, such as "12:00:00Z".'),
    "duration": ("DurationText", 'A duration as ISO 8601 text, such as "PT90S".'),
}
"""Formats of text that have a name: the name, and what it means."""
BYTES: Final = frozenset({"binary", "base64", "base64url"})
SIMPLE: Final = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
GLOBAL: Final = frozenset({"ArrayBuffer", "Array", "Partial", "Record", "Promise", "Date", "Map", "Set", "Object"})
WORDS: Final = frozenset({"any", "bigint", "boolean", "never", "null", "number", "object", "string", "undefined"})


class TypeScriptTypes:
    """Types by their schemas. Schemas refer to definitions, which become named types.

    ``definitions`` are by the name that a ``$ref`` has.
    """

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._names = type_names(definitions)
        self._used: dict[str, None] = {}
        self._texts: set[str] = set()
        self.imports: set[str] = set()
        """The types of the official client that were used."""

    def type_of(self, schema: Schema | bool, depth: int = 0) -> str:
        """The type of a schema, as it stands at a depth of indentation."""
        if isinstance(schema, bool) or not schema:
            return "any"
        if "$ref" in schema:
            return self._reference(schema["$ref"], depth)
        if "const" in schema:
            return literal(schema["const"])
        if "enum" in schema:
            return union(literal(value) for value in schema["enum"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return union(self.type_of(each, depth) for each in schema[word])
        if "allOf" in schema:
            return " & ".join(grouped(self.type_of(each, depth)) for each in schema["allOf"])
        kind = schema.get("type")
        if isinstance(kind, list):
            return union(self.type_of({**schema, "type": each}, depth) for each in kind)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        return self._simple(schema)

    def arguments(self, schema: Schema, depth: int) -> str:
        """The type of a function's arguments: the object itself, for a named one would lack an index."""
        resolved = self._definitions[schema["$ref"]] if "$ref" in schema else schema
        return self._object(resolved, depth) if resolved.get("properties") else "Record<string, never>"

    def declarations(self) -> Iterator[str]:
        """The named types that were used, and those that they use, sorted by name."""
        written: dict[str, str] = {}
        while waiting := [key for key in self._used if self._names[key] not in written]:
            for key in waiting:
                written[self._names[key]] = self._declaration(self._names[key], self._definitions[key])
        for name, meaning in TEXTS.values():
            if name in self._texts:
                written[name] = f"{comment(meaning)}export type {name} = string;"
        for name in sorted(written):
            yield written[name]

    def _declaration(self, name: str, schema: Schema) -> str:
        about = comment(described(schema))
        if is_structure(schema):
            return f"{about}export interface {name} {self._structure(schema, 0)}"
        return f"{about}export type {name} = {self.type_of(schema)};"

    def _reference(self, key: str, depth: int) -> str:
        schema = self._definitions[key]
        properties = schema.get("properties", {})
        if properties.keys() >= PAGE:
            self.imports.add("PaginationResult")
            return f"PaginationResult<{self.type_of(properties['page'].get('items', True), depth)}>"
        if properties.keys() >= PAGE_OPTIONS:
            self.imports.add("PaginationOptions")
            return "PaginationOptions"
        self._used[key] = None
        return self._names[key]

    def _simple(self, schema: Schema) -> str:
        kind, form = schema.get("type"), schema.get("format")
        if kind == "string" and form in TEXTS:
            self._texts.add(TEXTS[form][0])
            return TEXTS[form][0]
        if kind == "string" and form in BYTES:
            return "ArrayBuffer"
        if kind == "integer" and form == "int64":
            return "bigint"
        return SIMPLE.get(str(kind), "any")

    def _array(self, schema: Schema, depth: int) -> str:
        items = schema.get("items", True)
        if "prefixItems" not in schema:
            return f"{grouped(self.type_of(items, depth))}[]"
        parts = [self.type_of(each, depth) for each in schema["prefixItems"]]
        required = schema.get("minItems", len(parts))
        parts = [part if index < required else f"{grouped(part)}?" for index, part in enumerate(parts)]
        if "items" in schema and schema.get("maxItems") != len(parts):
            parts.append(f"...{grouped(self.type_of(items, depth))}[]")
        return f"[{', '.join(parts)}]"

    def _object(self, schema: Schema, depth: int) -> str:
        if schema.get("properties"):
            return self._structure(schema, depth)
        if "patternProperties" in schema:
            values = union(self.type_of(each, depth) for each in schema["patternProperties"].values())
        else:
            values = self.type_of(schema.get("additionalProperties", True), depth)
        keys = self.type_of(schema.get("propertyNames", {"type": "string"}), depth)
        # Not Record<…>: a type that refers to itself may not be its parameter.
        return f"{{ [key: string]: {values} }}" if keys in ("string", "any") else f"{{ [key in {keys}]?: {values} }}"

    def _structure(self, schema: Schema, depth: int) -> str:
        """An object whose properties are known: on one line, if it is short and says nothing about them."""
        inside = INDENT * (depth + 1)
        lines, is_short = [], depth > 0
        for name, each in schema.get("properties", {}).items():
            about = comment(described(each), inside)
            optional = "" if name in schema.get("required", ()) else "?"
            lines.append(f"{about}{inside}{key(name)}{optional}: {self.type_of(each, depth + 1)};\n")
            is_short = is_short and not about
        if schema.get("additionalProperties") not in (None, False):
            lines.append(f"{inside}[key: string]: any;\n")
        flat = " ".join(line.strip() for line in lines).removesuffix(";")
        if is_short and "\n" not in flat and len(flat) < LONGEST_LINE - len(inside):
            return f"{{ {flat} }}"
        return f"{{\n{''.join(lines)}{INDENT * depth}}}"


def type_names(definitions: Mapping[str, Schema]) -> dict[str, str]:
    """A name for each definition. A model that differs as argument and as result is ``XInput`` and ``X``."""
    names: dict[str, str] = {}
    taken = {*OFFICIAL, *GLOBAL, *WORDS, *(name for name, _ in TEXTS.values()), "api"}
    for definition in sorted(definitions):
        plain = definition.removesuffix("-Output").replace("-Input", "Input")
        name = wanted = re.sub(r"\W", "_", plain, flags=re.ASCII).strip("_") or "Type"
        if name[0].isdigit():
            name = wanted = f"_{name}"
        number = 2
        while name in taken:
            name, number = f"{wanted}{number}", number + 1
        taken.add(name)
        names[definition] = name
    return names


def is_structure(schema: Schema) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def described(schema: Schema) -> str:
    """What a schema says about itself."""
    text = cleandoc(str(schema.get("description", "")))
    return f"{text}\n\n@deprecated".strip() if schema.get("deprecated") else text


def comment(text: str, indent: str = "") -> str:
    """A comment for editors, with its line ends; empty if there is nothing to say."""
    lines = text.replace("*/", "*\\/").strip().splitlines()
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def union(types: Iterable[str]) -> str:
    """The union of types, each once."""
    different = dict.fromkeys(types)
    return "any" if "any" in different else " | ".join(different) or "never"


def grouped(kind: str) -> str:
    """A type as a part of another one: in parentheses if it is made of several."""
    return f"({kind})" if re.search(r" [|&] ", kind) else kind


def literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def key(name: str) -> str:
    """The name of a property, in quotes if it needs them."""
    return name if IDENTIFIER.fullmatch(name) else literal(name)
