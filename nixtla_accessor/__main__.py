"""The command line: ``python -m nixtla_accessor demo``, ``serve`` or ``models``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nixtla_accessor.api.local_engine import check_engine_is_installed
from nixtla_accessor.errors import TimeGPTError

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

    serve(arguments.host, arguments.port, arguments.api_key, announce)


def _models(_arguments: argparse.Namespace) -> None:
    from nixtla_accessor.registry import finetuned_models

    models = finetuned_models()
    print("There are no fine-tuned models." if models.empty else models.to_string(index=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nixtla_accessor", description="Fine-tune and forecast time series in pandas DataFrames."
    )
    commands = parser.add_subparsers(required=True, metavar="demo | serve | models")
    demo = commands.add_parser("demo", help="fine-tune and forecast a real panel with the local engine")
    demo.set_defaults(run=_demo)
    serve = commands.add_parser("serve", help="serve the local engine to other processes and machines")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", default=8000, type=int, help="the port; 0 chooses a free one (default: %(default)s)")
    serve.add_argument("--api-key", default=None, help="the key that clients must send (default: a random one)")
    serve.set_defaults(run=_serve)
    models = commands.add_parser("models", help="list the fine-tuned models of the account")
    models.set_defaults(run=_models)
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
