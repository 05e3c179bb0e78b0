"""Tracebacks that end at the caller's own line, and mistyped names that are answered with the nearest one.

An error of this package says what to do in its message; the frames between the caller's line and the place that found
the mistake only hide it. ``NIXTLA_ACCESSOR_TRACEBACK=full`` in the environment shows them.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from nixtla_accessor.errors import FinetuneInterrupted, TimeGPTError

VARIABLE = "NIXTLA_ACCESSOR_TRACEBACK"
FULL = "full"
# What other forecasting libraries call an argument of this one; and where there is no future, the columns' names do.
_ELSEWHERE = {
    **dict.fromkeys(("horizon", "fh", "steps", "n_steps", "periods", "prediction_length"), "h"),
    "X_df": "futr_exog_list",
}

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")
ClassT = TypeVar("ClassT", bound=type)


def short_traceback(function: Callable[ArgumentsT, ResultT]) -> Callable[ArgumentsT, ResultT]:
    """Let a function's errors show one frame of this package: its own, below the caller's line.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        The same function. An error of this package that leaves it has lost the frames behind it, unless
        ``NIXTLA_ACCESSOR_TRACEBACK`` is "full"; those of others keep theirs. A call with a wrong argument is a
        TypeError that names the nearest right one.
    """

    @wraps(function)
    def call(*args: ArgumentsT.args, **kwargs: ArgumentsT.kwargs) -> ResultT:
        try:
            return function(*args, **kwargs)
        except (TimeGPTError, FinetuneInterrupted) as error:
            if os.environ.get(VARIABLE) == FULL:
                raise
            raise _without_frames(error)  # noqa: B904 - it is the same error
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # not about the call itself
            raise TypeError(_explain_call(function, args, kwargs) or str(error)) from None
        finally:
            del args, kwargs  # one may be the key, and tracebacks that show variables would show it

    return call


def short_tracebacks(cls: ClassT) -> ClassT:
    """Apply `short_traceback` to the public methods and properties of a class, and answer mistyped names."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, FunctionType):
            setattr(cls, name, short_traceback(member))
        elif isinstance(member, property) and member.fget is not None:
            setattr(cls, name, property(short_traceback(member.fget), doc=member.__doc__))
    cls.__getattr__ = _refuse_unknown_name  # type: ignore[attr-defined] # unseen by type checkers, which report such names
    return cls


def _refuse_unknown_name(instance: object, name: str) -> object:
    """Raise the AttributeError about a name that an object does not have; it names the nearest."""
    cls = type(instance)
    refusal = f"{cls.__name__!r} object has no attribute {name!r}"
    if name.startswith("_"):  # asked for by protocols such as those of IPython and copy
        raise AttributeError(refusal)
    there = sorted(public for public in dir(cls) if not public.startswith("_"))
    raise AttributeError(f"{refusal}. {_nearest(name, there) or 'It has ' + ', '.join(there) + '.'}")


def _explain_call(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, Any]) -> str | None:
    """Return what is wrong with the arguments of a call, or None if nothing plain is."""
    signature = inspect.signature(function)
    parameters = {name: parameter for name, parameter in signature.parameters.items() if name != "self"}
    n_given = len(args) - (len(signature.parameters) - len(parameters))
    positional = [name for name, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    absent = [
        name
        for name in positional[n_given:]
        if name not in kwargs and parameters[name].default is inspect.Parameter.empty
    ]
    name = function.__name__
    for given in kwargs:
        if given not in parameters:
            return f"{name}() has no argument {given!r}. {_nearest(given, parameters) or _list(parameters)}"
    if n_given > len(positional):
        others = ", ".join(f"{other}=…" for other in parameters if other not in positional)
        found = f"found {n_given} value{'s' if n_given > 1 else ''}"
        takes = f"takes {' and '.join(positional) or 'nothing'} by position, {found}"
        return f"{name}() {takes}. Name the others: {others}."
    if absent:
        return f"{name}() needs {' and '.join(absent)}: {name}({', '.join(f'{given}=…' for given in absent)})."
    return None


def _nearest(name: str, names: Iterable[str]) -> str | None:
    """Return a sentence that names the nearest of some names, if one is near."""
    there = list(names)
    near = [_ELSEWHERE[name]] if _ELSEWHERE.get(name) in there else difflib.get_close_matches(name, there, n=1)
    return f"Did you mean {near[0]!r}?" if near else None


def _list(names: Iterable[str]) -> str:
    return f"Its arguments are {', '.join(names) or 'none'}."


def _without_frames(error: BaseException) -> BaseException:
    """Return an error, with its causes, without the frames that it came through."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link.__suppress_context__ = True
        link = link.__cause__
    return error
