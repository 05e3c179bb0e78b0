"""The command line: ``python -m nixtla_accessor`` with ``demo``, ``serve``, ``models``, ``pull`` or ``remove``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nixtla_accessor.api.local_engine import check_engine_is_installed
from nixtla_accessor.errors import ConfigurationError, TimeGPTError

if TYPE_CHECKING:
    from nixtla_accessor.local.service.embedded import RunningEngine

INTERRUPTED = 130


def _demo(_arguments: argparse.Namespace) -> None:
    from nixtla_accessor.demo import run_demo

    run_demo(Path.cwd())


def _serve(arguments: argparse.Namespace) -> None:
    check_engine_is_installed()
    from nixtla_accessor.local.service.embedded import serve

    def announce(engine: RunningEngine) -> None:
        print(
            f"The local engine is ready at {engine.base_url}. To connect a client to it, set:\n"
            f"export NIXTLA_BASE_URL={engine.base_url}\nexport NIXTLA_API_KEY={engine.api_key}",
            flush=True,
        )

    log = logging.getLogger("nixtla_accessor.local")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)  # such as the device that a model runs on
    serve(arguments.host, arguments.port, arguments.api_key, announce)


def _models(_arguments: argparse.Namespace) -> None:
    elsewhere = _is_connected_elsewhere()
    if _is_engine_installed() and _list_models_of_this_machine(with_finetuned=not elsewhere) and not elsewhere:
        return
    from nixtla_accessor.registry import finetuned_models

    models = finetuned_models()
    print("There are no fine-tuned models." if models.empty else models.to_string(index=False))


def _list_models_of_this_machine(*, with_finetuned: bool) -> bool:
    """Print the base models that were pulled, and the engine's fine-tuned ones; return whether there are any."""
    import pandas as pd

    from nixtla_accessor.api.encoding import format_bytes
    from nixtla_accessor.local.service import commands

    base_models = [
        {
            "base model": model.name,
            "parameters": f"{model.n_parameters:,}",
            "size": format_bytes(model.n_bytes),
            "licence": model.licence or "not named",
            "revision": (model.revision or "")[:12],
            "pulled_at": model.pulled_at[:19],
        }
        for model in commands.base_models()
    ]
    finetuned = [
        {**model.model_dump(exclude={"created_by"}), "size": format_bytes(size)}
        for model, size in (commands.finetuned_models() if with_finetuned else ())
    ]
    for rows in filter(None, (base_models, finetuned)):
        print(pd.DataFrame(rows).to_string(index=False))
    return bool(base_models or finetuned)


def _is_connected_elsewhere() -> bool:
    """Return whether the environment names an account or a server, rather than the engine of this machine."""
    base_url = os.environ.get("NIXTLA_BASE_URL")
    return base_url != "local" and bool(base_url or os.environ.get("NIXTLA_API_KEY"))


def _is_engine_installed() -> bool:
    try:
        check_engine_is_installed()
    except ConfigurationError:
        return False
    return True


def _pull(arguments: argparse.Namespace) -> None:
    check_engine_is_installed()
    from nixtla_accessor.api.encoding import format_bytes
    from nixtla_accessor.local.service.commands import pull

    model = pull(arguments.model, arguments.name, arguments.revision)
    licence = f"licence {model.licence}" if model.licence else "its card names no licence"
    print(
        f"{model.name} is pulled: {model.n_parameters:,} parameters, {format_bytes(model.n_bytes)}, {licence}.\n"
        f"To use it with the local engine: df.timegpt.forecast(h=12, model={model.name!r})"
    )


def _remove(arguments: argparse.Namespace) -> None:
    check_engine_is_installed()
    from nixtla_accessor.local.service.commands import remove

    print(remove(arguments.name))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nixtla_accessor", description="Fine-tune and forecast time series in pandas DataFrames."
    )
    commands = parser.add_subparsers(required=True, metavar="demo | serve | models | pull | remove")
    demo = commands.add_parser("demo", help="fine-tune and forecast a real panel with the local engine")
    demo.set_defaults(run=_demo)
    serve = commands.add_parser("serve", help="serve the local engine to other processes and machines")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", default=8000, type=int, help="the port; 0 chooses a free one (default: %(default)s)")
    serve.add_argument("--api-key", default=None, help="the key that clients must send (default: a random one)")
    serve.set_defaults(run=_serve)
    models = commands.add_parser("models", help="list the base models that were pulled, and the fine-tuned models")
    models.set_defaults(run=_models)
    pull = commands.add_parser("pull", help="install an open base model for the local engine, from the hub or a folder")
    pull.add_argument("model", help="its name on the hub, such as amazon/chronos-2, or a folder")
    pull.add_argument("--name", default=None, help="the name that a model from a folder gets")
    pull.add_argument("--revision", default=None, help="a branch, tag or commit of the model on the hub")
    pull.set_defaults(run=_pull)
    remove = commands.add_parser("remove", help="delete a base model, or a fine-tuned model of the local engine")
    remove.add_argument("name", help="as the command models lists it")
    remove.set_defaults(run=_remove)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except TimeGPTError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
