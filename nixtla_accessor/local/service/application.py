"""The application that serves an engine: its routes, and what they share."""

from __future__ import annotations

from fastapi import FastAPI

from nixtla_accessor.local.service import job_routes, server
from nixtla_accessor.local.service.arrivals import Arrivals
from nixtla_accessor.local.service.bodies import BodyReader
from nixtla_accessor.local.service.engine import Engine
from nixtla_accessor.local.service.error_responses import HANDLERS
from nixtla_accessor.local.service.usage import UsageCounts
from nixtla_accessor.local.service.workers import WorkerPools


def create_app(engine: Engine, api_key: str) -> FastAPI:
    """Build the application that serves an engine to those who have the key.

    All routes are coroutines, and what takes time is done by `WorkerPools`: the framework's own threads, which all
    requests would share, are not used.

    Parameters
    ----------
    engine : Engine
        The engine to serve.
    api_key : str
        The bearer token that every request must carry.

    Returns
    -------
    FastAPI
        An ASGI application; its OpenAPI description is at ``/openapi.json``.
    """
    # No page of documentation: it would load scripts from other sites.
    app = FastAPI(title="nixtla_accessor local engine", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.engine = engine
    app.state.api_key = api_key
    app.state.workers = WorkerPools(engine.limits)
    app.state.bodies = BodyReader(engine.limits, app.state.workers.bodies)
    app.state.arrivals = Arrivals()
    app.state.usage = UsageCounts()
    app.state.routes = [*app.routes, *server.router.routes, *job_routes.router.routes]
    app.include_router(server.router)
    app.include_router(job_routes.router)
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app
