"""A plugin that lets mypy see ``df.timegpt``; in its configuration: ``plugins = ["nixtla_accessor.mypy_plugin"]``.

No type checker knows of accessors, which pandas registers when a program runs. pandas-stubs give any unknown attribute
of a DataFrame the type of a column, so that ``df.timegpt.finetune()`` is an error to pyright and Pylance, which have no
plugins: write ``TimeGPTAccessor(df).finetune()`` for them.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, Plugin
from mypy.types import Instance, Type

_DATA_FRAME = "pandas.core.frame.DataFrame"
_ACCESSOR = "nixtla_accessor.accessor.TimeGPTAccessor"


class _AccessorPlugin(Plugin):
    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Answer for ``timegpt`` of a DataFrame."""
        return self._accessor if fullname == f"{_DATA_FRAME}.timegpt" else None

    def _accessor(self, context: AttributeContext) -> Type:
        symbol = self.lookup_fully_qualified(_ACCESSOR)
        if symbol is None or not isinstance(symbol.node, TypeInfo):  # the program does not import the package
            return context.default_attr_type
        return Instance(symbol.node, [])


def plugin(version: str) -> type[Plugin]:  # noqa: ARG001 - mypy's protocol
    """Return the plugin, as mypy asks for it."""
    return _AccessorPlugin
