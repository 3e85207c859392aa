"""Options: the settings of a section are the one place where its options, their defaults and their meanings stand.

A section of the configuration is a frozen dataclass over `Settings`. Each of its fields is an option. Its annotation
says what is allowed, its default is that of every run, and the text below it is its meaning. config/config.yaml, whose
comments are the first sentences of the meanings, the schema and the tables of config/README.md are made from these
(``make docs``). Which options of a section go with each other is said in its `Settings._rules`.

Standard library only: it runs whenever the graph is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from beatlens.core.allowed import allowed_values, fits, schema_of

Problem = tuple[str, Any, str]
"""Dotted key, the value found, what is allowed."""


class OptionError(ValueError):
    """Options that can't be used; each problem names its key, the value found and what is allowed."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{key}: {value!r}; expected {allowed}" for key, value, allowed in problems))


@dataclass(frozen=True)
class Settings:
    """A section of the configuration, named by ``class X(Settings, section="x")``.

    Raises
    ------
    OptionError
        Where a value is not what its option allows, or breaks a rule of the section.
    """

    section: ClassVar[str]

    def __init_subclass__(cls, section: str) -> None:
        super().__init_subclass__()
        cls.section = section

    @classmethod
    def read(cls, section: Mapping[str, Any]) -> Self:
        """Build from a section that names every option: nothing falls back to a default unseen.

        Raises
        ------
        OptionError
            Where an option is missing, unknown, or not as it should be.
        """
        names = {name for name in cls.types() if name in section or not cls.may_lack(name)}
        if set(section) != names:
            wrong = sorted(names.symmetric_difference(section))
            raise OptionError(
                [(cls.key(name), section.get(name), f"the keys {', '.join(cls.types())}") for name in wrong]
            )
        return cls(**section)

    @classmethod
    def key(cls, name: str) -> str:
        """Return the dotted key of an option."""
        return f"{cls.section}.{name}".lstrip(".")

    @classmethod
    @cache
    def types(cls) -> Mapping[str, Any]:
        """Return the annotation of every option, by name, in order."""
        hints = get_type_hints(cls, include_extras=True)
        return {field.name: hints[field.name] for field in fields(cls)}

    @classmethod
    def may_lack(cls, name: str) -> bool:
        """Tell whether a section is whole without an option; only entries of lists have such options."""
        return cls.section.endswith("[]") and cls.default(name) is not MISSING

    @classmethod
    def default(cls, name: str) -> Any:
        """Return the default of an option, `dataclasses.MISSING` where it has none."""
        field = cls.__dataclass_fields__[name]
        return field.default if field.default_factory is MISSING else field.default_factory()

    @classmethod
    @cache
    def schema(cls) -> dict[str, Any]:
        """Return the JSON schema of the section: no other keys than its options."""
        return {
            "type": "object",
            "additionalProperties": False,
            "required": [name for name in cls.types() if not cls.may_lack(name)],
            "properties": {name: schema_of(hint) for name, hint in cls.types().items()},
        }

    def _rules(self) -> Iterator[tuple[str, str]]:
        """Yield each option that doesn't go with others of its section, and what would."""
        yield from ()

    def __post_init__(self) -> None:
        problems = []
        for name, hint in self.types().items():
            value = _settled(getattr(self, name), hint)
            object.__setattr__(self, name, value)
            if not fits(plain(value), allowed := self.schema()["properties"][name]):
                problems.append((self.key(name), plain(value), allowed_values(allowed)))
        if not problems:
            problems = [(self.key(name), plain(getattr(self, name)), allowed) for name, allowed in self._rules()]
        if problems:
            raise OptionError(problems)


def _settled(value: Any, hint: Any) -> Any:
    """Return a value as settings hold it: lists as tuples, a section inside a section as its settings."""
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, Settings) and isinstance(value, Mapping):
        return hint.read(value)
    if isinstance(value, list | tuple):
        part = get_args(hint)[0] if get_origin(hint) is tuple else None
        return tuple(_settled(item, part) for item in value)
    return value


def plain(value: Any) -> Any:
    """Return settings as they stand in a file: mappings, lists and simple values."""
    if isinstance(value, Settings):
        return {name: plain(getattr(value, name)) for name in value.types() if not _left_out(value, name)}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return list(map(plain, value)) if isinstance(value, tuple | list) else value


def _left_out(settings: Settings, name: str) -> bool:
    return settings.may_lack(name) and bool(getattr(settings, name) == settings.default(name))
