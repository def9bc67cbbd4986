"""A project's settings: from pyproject.toml, ``.env``, the environment and flags; later ones win."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from .errors import DatabaseError, LoadError, SettingsError
from .functions.load import import_all, import_root, imported, loaded_modules
from .settings import AuthProvider, Settings

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from sqlalchemy import MetaData

STATE_FOLDER: Final = ".convexpy"
DEFAULT_DATABASE: Final = "sqlite:///.convexpy/dev.db"
PREFIX: Final = "CONVEXPY_"
TEST_PREFIX: Final = "CONVEXPY_TEST_"  # for a project's own test suite; never settings
PYPROJECT: Final = "pyproject.toml"
ENVIRONMENT: Final = "the environment"
FLAG: Final = "a flag"
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
RELATIVE_SQLITE: Final = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:|[A-Za-z]:)(.+)")


class Sources(BaseSettings):
    """How the sources are read. Keys declares their contents."""

    model_config = SettingsConfigDict(env_ignore_empty=True, pyproject_toml_table_header=("tool", "convexpy"))


class Keys(Settings):
    """Every key that a project may set: its own, and all of the engine's."""

    functions: str
    metadata: str | None = None
    database: str = DEFAULT_DATABASE
    migrations: str = "migrations"
    codegen: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def read_number(cls, value: object) -> object:
        """Read text that is a number of seconds: the environment has text only."""
        return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value

    @field_validator("auth", "cors", "forwarded_allow_ips", mode="before")
    @classmethod
    def read_list(cls, value: object) -> object:
        """Read text that is a JSON array: the environment has text only."""
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("write a JSON array here") from None

    @field_validator("functions")
    @classmethod
    def check_package(cls, value: str) -> str:
        if not all(part.isidentifier() for part in value.split(".")):
            raise ValueError("write the import name of your app's package, such as 'shop'")
        return value

    @field_validator("metadata")
    @classmethod
    def check_metadata(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.]+:[\w.]+", value):
            raise ValueError("write module:name, such as 'shop.models:Base'")
        return value


@dataclass(frozen=True)
class Project:
    """A project: its folder and its settings."""

    root: Path
    functions: str
    """The import name of the app's package."""
    metadata: str | None
    """The import path of the tables, ``"shop.models:Base"``. None: they are found in the package."""
    database: str
    """The database URL. A relative SQLite path is relative to the project's folder."""
    migrations: Path
    """The folder of the project's own migrations."""
    codegen: Path | None
    """The folder of the types for TypeScript, which `dev` keeps in step. None: there is none."""
    settings: Settings
    origins: Mapping[str, str]
    """The source of each value that is not a default."""

    @property
    def has_database(self) -> bool:
        """Whether a database is configured, other than the default for development."""
        return "database" in self.origins

    def put_on_path(self) -> None:
        """Make the project's modules importable, before any others of the same name."""
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))

    def make_state_folder(self) -> None:
        """Create the folder of the default development database. Other folders are the user's to create.

        Raises:
            DatabaseError: It cannot be created.
        """
        folder = self.root / STATE_FOLDER
        if self.has_database or folder.is_dir():
            return
        try:
            folder.mkdir()
            (folder / ".gitignore").write_text("*\n", "utf-8")
        except OSError as error:
            raise DatabaseError(
                f"{folder}: the folder for the development database cannot be created: {error.strerror}. "
                "Make the project's folder writable, or set CONVEXPY_DATABASE"
            ) from error

    def find_metadata(self) -> MetaData | None:
        """The project's tables: those that ``metadata`` names, or the only ones in the app's modules.

        Raises:
            LoadError: The app's modules cannot be imported.
            SettingsError: The setting is wrong, or there is more than one MetaData and no setting.
        """
        self.put_on_path()
        _, problems = import_all(import_root(self.functions))
        if problems:
            raise LoadError(problems)
        return named_metadata(self.metadata) if self.metadata is not None else only_metadata(self.functions)


def load_project(path: str | Path = ".", **flags: object) -> Project:
    """The project of a folder. ``flags`` have precedence over all sources; None means not given.

    Raises:
        SettingsError: There is no project, or a setting is missing, unknown or wrong. It lists every problem.
    """
    root = find_root(Path(path))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, given in sources(root, flags):
        values.update(given)
        origins.update(dict.fromkeys(given, origin))
    try:
        keys = Keys(**values)
    except ValidationError as error:
        raise SettingsError("\n".join(problems(root, error, origins))) from None
    return Project(
        root=root,
        functions=keys.functions,
        metadata=keys.metadata,
        database=RELATIVE_SQLITE.sub(lambda url: f"{url[1]}{root / url[2]}", keys.database),
        migrations=root / keys.migrations,
        codegen=root / keys.codegen if keys.codegen else None,
        settings=engine_settings(keys, root),
        origins=origins,
    )


def engine_settings(keys: Keys, root: Path) -> Settings:
    """The engine's part of the settings. Files of keys are relative to the project's folder."""
    given: dict[str, Any] = {name: getattr(keys, name) for name in Settings.model_fields.keys() & keys.model_fields_set}
    if keys.auth:
        given["auth"] = tuple(provider.within(root) for provider in keys.auth)
    return Settings(**given)


def find_root(path: Path) -> Path:
    """The nearest folder at or above this one with a pyproject.toml; without any, the folder itself."""
    folder = path.absolute()
    if not folder.is_dir():
        raise SettingsError(f"{path}: there is no such folder. Name the folder of your project")
    return next((each for each in (folder, *folder.parents) if (each / PYPROJECT).is_file()), folder)


def sources(root: Path, flags: Mapping[str, object]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The values of each source; later ones have precedence."""
    yield PYPROJECT, pyproject_table(root / PYPROJECT)
    yield ".env", prefixed(DotEnvSettingsSource(Sources, root / ".env").env_vars)
    yield ENVIRONMENT, prefixed(EnvSettingsSource(Sources).env_vars)
    yield FLAG, {name: value for name, value in flags.items() if value is not None}


def pyproject_table(path: Path) -> dict[str, Any]:
    try:
        return dict(PyprojectTomlConfigSettingsSource(Sources, path).toml_data)
    except (AttributeError, TypeError):
        raise SettingsError(f"{path}: `convexpy` under [tool] must be a table: write [tool.convexpy]") from None
    except ValueError as error:
        raise SettingsError(f"{path}: this is not valid TOML: {error}") from None


def prefixed(variables: Mapping[str, str | None]) -> dict[str, str]:
    """The variables with the prefix of settings, unknown ones too. Their names are in lower case."""
    prefix, skipped = PREFIX.lower(), TEST_PREFIX.lower()
    return {
        name.removeprefix(prefix): value
        for name, value in variables.items()
        if name.startswith(prefix) and not name.startswith(skipped) and value is not None
    }


def problems(root: Path, error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
    """One line for each problem: its place, the problem, and what to do."""
    for issue in error.errors(include_url=False, include_input=False):
        key = str(issue["loc"][0])
        where = place_of(root, key, origins.get(key), issue["loc"][1:])
        if len(issue["loc"]) > 1:
            yield f"{where}: {inner_problem(issue)}"
        elif issue["type"] == "extra_forbidden":
            close = get_close_matches(key, Keys.model_fields, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(Keys.model_fields)}"
            yield f"{where}: there is no setting {key!r}. {hint}"
        elif issue["type"] == "missing" and not (root / PYPROJECT).is_file():
            yield (
                f"{root}: there is no {PYPROJECT} in this folder or above. Name your project's folder with --project, "
                "or make a new one: convexpy init NAME"
            )
        elif issue["type"] == "missing":
            yield f'{where}: `{key}` is not set. Add [tool.convexpy] with {key} = "the name of your app\'s package"'
        else:
            hint = " Write a number of seconds" if "time_delta" in issue["type"] else ""
            yield f"{where}: {key}: {issue['msg'].removeprefix('Value error, ')}.{hint}"


def inner_problem(issue: ErrorDetails) -> str:
    """A problem within a value, such as that of one issuer of several."""
    key, *path = map(str, issue["loc"])
    if issue["type"] == "extra_forbidden":
        close = get_close_matches(path[-1], AuthProvider.model_fields, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(AuthProvider.model_fields)}"
        return f"there is no setting {path[-1]!r} in {key}. {hint}"
    if issue["type"] == "missing":
        return f"`{path[-1]}` is not set in {key}"
    name = ".".join([key, *(part for part in path if not part.isdigit())])
    return f"{name}: {issue['msg'].removeprefix('Value error, ')}."


def place_of(root: Path, key: str, origin: str | None, path: Sequence[int | str] = ()) -> str:
    """The place of a value, or of what is at a path within it: file and line, or the name of the variable or flag."""
    if origin == ENVIRONMENT:
        return f"{PREFIX}{key.upper()} in the environment"
    if origin == FLAG:
        return f"--{key.replace('_', '-')}"
    file = root / (origin or PYPROJECT)
    lines = file.read_text("utf-8").splitlines() if origin else []
    number = line_of_key(lines, key) or line_in_table(lines, key, path)
    return f"{file}:{number}" if number else str(file)


def line_of_key(lines: Sequence[str], key: str) -> int | None:
    """The number of the line that sets a key."""
    pattern = re.compile(rf"\s*(export\s+)?({PREFIX})?[\"']?{re.escape(key)}[\"']?\s*=", re.IGNORECASE)
    return next((number for number, line in enumerate(lines, 1) if pattern.match(line)), None)


def line_in_table(lines: Sequence[str], key: str, path: Sequence[int | str]) -> int | None:
    """The line of a key in one of several tables, ``[[tool.convexpy.auth]]``; or that of the table."""
    header = re.compile(rf"\s*\[\[\s*tool\s*\.\s*convexpy\s*\.\s*{re.escape(key)}\s*\]\]")
    starts = [number for number, line in enumerate(lines) if header.match(line)]
    index = next((part for part in path if isinstance(part, int)), 0)
    if index >= len(starts):
        return None
    start = starts[index]
    ends = (number for number in range(start + 1, len(lines)) if lines[number].lstrip().startswith("["))
    within = lines[start + 1 : next(ends, len(lines))]
    names = [part for part in path if isinstance(part, str)]
    line = line_of_key(within, names[0]) if names else None
    return start + 1 + (line or 0)


def named_metadata(setting: str) -> MetaData:
    """The MetaData behind ``"shop.models:Base"`` or ``"shop.models:Base.metadata"``.

    Raises:
        LoadError: Its module does not import.
        SettingsError: There is none.
    """
    from sqlalchemy import MetaData

    module, _, names = setting.partition(":")
    try:
        found: Any = imported(module)
        for name in names.split("."):
            found = getattr(found, name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise SettingsError(
            f"metadata = {setting!r}: {error}. Write module:name, such as 'shop.models:Base'"
        ) from error
    found = getattr(found, "metadata", found)
    if not isinstance(found, MetaData):
        raise SettingsError(f"metadata = {setting!r} is neither a declarative base nor a MetaData, but {found!r}")
    return found


def only_metadata(package: str) -> MetaData | None:
    """The MetaData of the tables in the package's loaded modules, if it is only one."""
    from sqlalchemy import MetaData, Table

    from .database.tables import metadata as framework

    homes: dict[int, tuple[MetaData, str]] = {}
    for module in loaded_modules(package):
        for name, value in list(vars(sys.modules[module]).items()):
            found = getattr(value, "metadata", value) if isinstance(value, MetaData | Table | type) else None
            if not isinstance(found, MetaData) or not found.tables or found is framework:
                continue
            is_base = not hasattr(value, "__table__") and getattr(value, "__module__", module) == module
            if is_base or id(found) not in homes:
                homes[id(found)] = (found, f"{module}:{name}")
    if len(homes) > 1:
        places = ", ".join(repr(place) for _, place in homes.values())
        raise SettingsError(
            f"there is more than one MetaData with tables: {places}. Choose with `metadata` in [tool.convexpy], "
            "or let every model use one base"
        )
    return next((found for found, _ in homes.values()), None)
