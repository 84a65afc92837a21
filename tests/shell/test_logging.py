import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from serinus.engine.resync import ResyncReport
from serinus.engine.store import Key
from serinus.engine.worker import Turn
from serinus.kube.errors import Conflict
from serinus.shell.logging import configure_logging, log_resync, log_turn

KEY = Key("ModelDeployment", "ml", "fraud")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("kopf", "kopf._core.reactor.running", "aiohttp.access", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_have_one_form() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("serinus.x").info("promoted", name="fraud", weight=100)
    structlog.get_logger("serinus.x").debug("not shown")
    logging.getLogger("kopf.objects").warning("from %s", "kopf")
    logging.getLogger("kopf.objects").info("chatter")
    logging.getLogger("kopf._core.reactor.running").warning("OS signals are ignored: running not in the main thread.")
    ours, theirs = lines(stream)
    assert ours.pop("timestamp")
    assert ours == {"event": "promoted", "logger": "serinus.x", "level": "info", "name": "fraud", "weight": 100}
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("from kopf", "kopf.objects", "warning")


def test_the_console_form_is_for_people() -> None:
    stream = io.StringIO()
    configure_logging("debug", "console", stream)
    structlog.get_logger("serinus").debug("promoted", name="fraud")
    assert "promoted" in stream.getvalue()
    assert "name=fraud" in stream.getvalue()


def test_a_failed_turn_is_one_line_with_a_stack_only_for_our_own_mistakes() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    log_turn(Turn(KEY, 0.1, None, 0, None))
    log_turn(Turn(KEY, 0.1, Conflict("changed"), 1, 0.4567))
    try:
        raise ValueError("garbage")
    except ValueError as error:
        log_turn(Turn(KEY, 0.1, error, 2, 1.0))
    known, unknown = lines(stream)
    assert (known["name"], known["error"], known["retry_in"]) == ("fraud", "Conflict: changed", 0.457)
    assert "exception" not in known
    assert "Traceback" in str(unknown["exception"])


def test_a_list_is_mentioned_only_if_it_mattered() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    log_resync(ResyncReport())
    log_resync(ResyncReport(corrected={"Pod": 2}, failed={"Service": OSError("down")}))
    corrected, failed = lines(stream)
    assert corrected["Pod"] == 2
    assert failed["Service"] == "down"
