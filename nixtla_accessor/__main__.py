"""The command line: ``nixtla-accessor``, or ``python -m nixtla_accessor``, and one of its commands."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from nixtla_accessor.api.local_engine import check_engine_is_installed
from nixtla_accessor.api.settings import LOCAL, check_key, conceal
from nixtla_accessor.errors import ConfigurationError, TimeGPTError

if TYPE_CHECKING:
    from nixtla_accessor.local.service.embedded import RunningEngine

SCRIPT = "nixtla-accessor"
PICTURE = "forecast.png"
INTERRUPTED = 130


def _demo(arguments: argparse.Namespace) -> None:
    from nixtla_accessor.demo import run_demo

    run_demo(arguments.output)


def _serve(arguments: argparse.Namespace) -> None:
    check_engine_is_installed()
    from nixtla_accessor.local.service.embedded import serve

    secret = conceal(arguments.api_key)
    try:
        api_key = None if secret is None else check_key(secret).get_secret_value()
    except ConfigurationError as error:
        error.add_context(
            "No client could connect with it: choose another --api-key, or leave it out for a random one."
        )
        raise

    def announce(engine: RunningEngine) -> None:
        print(
            f"The local engine is ready at {engine.base_url}. To connect a client to it, set:\n"
            f"export NIXTLA_BASE_URL={engine.base_url}\nexport NIXTLA_API_KEY={engine.api_key}",
            flush=True,
        )

    log = logging.getLogger("nixtla_accessor.local")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)  # such as the device that a model runs on
    serve(arguments.host, arguments.port, api_key, announce)


def _models(arguments: argparse.Namespace) -> None:
    base_url = arguments.base_url or os.environ.get("NIXTLA_BASE_URL")
    api_key = os.environ.get("NIXTLA_API_KEY")
    has_base_models = _is_engine_installed() and _list_base_models()
    if base_url == LOCAL or not (base_url or api_key):
        _list_models_of_this_machine(may_be_none=has_base_models or base_url == LOCAL)
        return
    if not api_key:
        raise ConfigurationError(f"There is no API key for {base_url}: set the environment variable NIXTLA_API_KEY.")
    from nixtla_accessor.api.client import connect
    from nixtla_accessor.registry import finetuned_models

    with connect(base_url=base_url):
        print(finetuned_models())


def _list_base_models() -> bool:
    """Print the base models that were pulled; return whether there are any."""
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
    if base_models:
        print(pd.DataFrame(base_models).to_string(index=False))
    return bool(base_models)


def _list_models_of_this_machine(*, may_be_none: bool) -> None:
    """Print the fine-tuned models of the local engine.

    Raises
    ------
    ConfigurationError
        If there is nothing to list: the engine is not installed, or it has none, and it is unclear whether it is meant.
    """
    if may_be_none:
        check_engine_is_installed()
    from nixtla_accessor.registry import list_models

    models = []
    if _is_engine_installed():
        from nixtla_accessor.local.service import commands

        models = commands.finetuned_models()
    if not models and not may_be_none:
        raise ConfigurationError(
            "This machine has no fine-tuned models. To list those of an account, set the environment variable "
            "NIXTLA_API_KEY; for another service, --base-url as well."
        )
    print(list_models(models))


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
    is_script = Path(sys.argv[0]).stem == SCRIPT
    parser = argparse.ArgumentParser(
        prog=SCRIPT if is_script else "python -m nixtla_accessor",
        description="Fine-tune and forecast time series in pandas DataFrames.",
    )
    parser.add_argument("--version", action="version", version=f"nixtla-accessor {version('nixtla-accessor')}")
    commands = parser.add_subparsers(required=True, metavar="demo | serve | models | pull | remove")
    demo = commands.add_parser("demo", help="fine-tune and forecast a real panel with the local engine")
    demo.add_argument("--output", default=Path(PICTURE), type=Path, help="the picture's file (default: %(default)s)")
    demo.set_defaults(run=_demo)
    serve = commands.add_parser("serve", help="serve the local engine to other processes and machines")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", default=8000, type=int, help="the port; 0 chooses a free one (default: %(default)s)")
    serve.add_argument("--api-key", default=None, help="the key that clients must send (default: a random one)")
    serve.set_defaults(run=_serve)
    models = commands.add_parser("models", help="list the base models that were pulled, and the fine-tuned models")
    models.add_argument(
        "--base-url", default=None, help="the service's address, or local (default: that of NIXTLA_BASE_URL)"
    )
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
