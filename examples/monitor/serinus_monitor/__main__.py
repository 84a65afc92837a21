"""python -m serinus_monitor --namespace ml --model fraud: see --help, and README.md."""

import sys
from functools import partial

from aiohttp import ClientSession, web

from .errors import MonitorError
from .follow import build_source
from .monitor import Monitor
from .server import build_app
from .service import Service
from .settings import Settings, read_settings
from .store import Store

say = partial(print, flush=True)


async def build(settings: Settings) -> web.Application:
    # A proxy from the environment has no business between pods.
    session = ClientSession(trust_env=False)
    service = Service(Monitor(settings), build_source(settings, session), Store(settings, session), say)
    app = build_app(service)
    app.on_cleanup.append(lambda _: session.close())
    return app


def main() -> int:
    try:
        settings = read_settings(sys.argv[1:])
        web.run_app(build(settings), host=settings.host, port=settings.port, print=say, access_log=None)
    except MonitorError as error:
        say(error, file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main())
