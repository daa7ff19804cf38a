"""Frozen records: as `dataclasses.dataclass` makes them with ``frozen=True, slots=True``, for modules that every start imports.

Importing `dataclasses` loads `inspect` with the parser of Python, and each of its classes is compiled method by method: together
more than a bare interpreter takes to start, which ``dcat resolve`` and completion cannot afford (docs/architecture.md, section 2).
Whoever asks (`dataclasses.fields`, ``replace``, ``asdict``) finds a dataclass all the same, and so do type checkers.

For the same reason such modules import nothing for their annotations: what those name stands under ``if TYPE_CHECKING``.
"""

from operator import attrgetter

__all__ = ["field", "record"]

TYPE_CHECKING = False  # as `typing` has it, which is not imported
if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from dataclasses import field as field
else:
    _FEW = 64  # records of a class that are made before its ``__init__`` is compiled

    class _Factory:
        def __init__(self, make):
            self.make = make

    def field(*, default_factory):
        """Return the default of a field that is made anew for each record."""
        return _Factory(default_factory)

    def record(*, frozen, slots, order=False):
        """Return a decorator that makes a record of a class with annotated fields. Fields are not inherited."""
        if not (frozen and slots):
            raise TypeError("a record is frozen and has slots")
        return lambda written: _make(written, order)

    class _AsDataclass:
        """What `dataclasses` asks a class for, made when it is first asked for and then kept in its place."""

        def __init__(self, name, annotations, defaults):
            self._name = name
            self._annotations = annotations
            self._defaults = defaults

        def __get__(self, instance, owner):
            import dataclasses

            defaults = {
                name: dataclasses.field(default_factory=value.make) if isinstance(value, _Factory) else value
                for name, value in self._defaults.items()
            }
            shown = dataclasses.dataclass(frozen=True)(type("Shown", (), {"__annotations__": self._annotations, **defaults}))
            value = getattr(shown, self._name)
            setattr(owner, self._name, value)
            return value

    def _make(written, order):
        annotations = written.__annotations__
        names = tuple(annotations)
        content = {name: value for name, value in vars(written).items() if name not in ("__dict__", "__weakref__")}
        defaults = {name: content.pop(name) for name in names if name in content}
        values = attrgetter(*names)

        def as_tuple(self):
            return values(self) if len(names) > 1 else (values(self),)

        def equals(self, other):
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def digest(self):
            return hash(values(self))

        def show(self):
            shown = ", ".join(f"{name}={value!r}" for name, value in zip(names, as_tuple(self), strict=True))
            return f"{self.__class__.__qualname__}({shown})"

        def reduce(self):
            return self.__class__, as_tuple(self)

        def refuse(_, name, *__):
            from dataclasses import FrozenInstanceError

            raise FrozenInstanceError(f"cannot assign to field {name!r}")

        content = {
            "__eq__": equals,
            "__hash__": digest,
            "__repr__": show,
            "__reduce__": reduce,
            "__setattr__": refuse,
            "__delattr__": refuse,
            "__match_args__": names,
            "__dataclass_fields__": _AsDataclass("__dataclass_fields__", annotations, defaults),
            "__dataclass_params__": _AsDataclass("__dataclass_params__", annotations, defaults),
            **(_orders(values) if order else {}),
            **content,
            "__slots__": names,
        }
        made = type(written)(written.__name__, written.__bases__, content)
        made.__init__ = _first_init(made, names, defaults)
        return made

    def _orders(values):
        def is_less(self, other):
            return values(self) < values(other) if other.__class__ is self.__class__ else NotImplemented

        def is_at_most(self, other):
            return values(self) <= values(other) if other.__class__ is self.__class__ else NotImplemented

        def is_more(self, other):
            return values(self) > values(other) if other.__class__ is self.__class__ else NotImplemented

        def is_at_least(self, other):
            return values(self) >= values(other) if other.__class__ is self.__class__ else NotImplemented

        return {"__lt__": is_less, "__le__": is_at_most, "__gt__": is_more, "__ge__": is_at_least}

    def _first_init(made, names, defaults):
        """Return the ``__init__`` for the first records of a class; it puts a compiled one in its place.

        Compiling takes as long as making a hundred records, and most commands make a few of each class. A compiled one is twice as
        fast, and some commands make records by the hundred thousand; and it says what is wrong with a wrong call.
        """
        setters = tuple(vars(made)[name].__set__ for name in names)  # what `__setattr__` refuses
        count = 0

        def init(self, *values, **named):
            nonlocal count
            count += 1
            complete = values if len(values) == len(names) and not named else _complete(names, defaults, values, named)
            if complete is None or count > _FEW:
                made.__init__ = _compile_init(made, names, defaults)
                made.__init__(self, *values, **named)
                return
            for set_value, value in zip(setters, complete, strict=True):
                set_value(self, value)
            if hasattr(made, "__post_init__"):
                self.__post_init__()

        return init

    def _complete(names, defaults, values, named):
        """Return a value for each field; None for a call with a value too many or too few."""
        rest = names[len(values) :]
        wanting = [name for name in rest if name not in named]
        if len(values) + len(wanting) + len(named) != len(names) or not all(name in defaults for name in wanting):
            return None
        given = {name: defaults[name] for name in wanting} | named
        return *values, *(value.make() if isinstance(value := given[name], _Factory) else value for name in rest)

    def _compile_init(made, names, defaults):
        scope = {f"set_{name}": vars(made)[name].__set__ for name in names}
        scope["Factory"] = _Factory
        parameters, body = [], []
        for name in names:
            parameters.append(name)
            value = name
            if name in defaults:
                scope[f"default_{name}"] = defaults[name]
                parameters[-1] += f"=default_{name}"
                if isinstance(defaults[name], _Factory):
                    value = f"{name}.make() if {name}.__class__ is Factory else {name}"
            body.append(f"    set_{name}(self, {value})\n")
        if hasattr(made, "__post_init__"):
            body.append("    self.__post_init__()\n")
        exec(f"def __init__(self, {', '.join(parameters)}):\n{''.join(body)}", scope)  # noqa: S102  # names of our own fields
        return scope["__init__"]
