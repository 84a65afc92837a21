"""`python -m serinus`: run the operator; every setting is an environment variable, see `serinus.settings`.

`python -m serinus judge replay`: run the judge over the past of a Prometheus, see `serinus.replay`.
`python -m serinus retrain backtest`: run a RetrainPolicy over it, see `serinus.backtest`.
`python -m serinus retrain record`: the record of a RetrainRun as an in-toto statement, see `serinus.retrain_record`."""

import asyncio
import sys

from serinus import backtest, replay, retrain_record
from serinus.app import run
from serinus.settings import SettingsError, load_settings
from serinus.shell.logging import configure_logging


def main() -> int:
    """Run until stopped; 0 after a signal, 1 where a restart is due, 2 for settings that cannot be used."""
    if sys.argv[1:2] == ["judge"]:
        return replay.main(sys.argv[2:])
    if sys.argv[1:3] == ["retrain", "record"]:
        return retrain_record.main(sys.argv[3:])
    if sys.argv[1:2] == ["retrain"]:
        return backtest.main(sys.argv[2:])
    if sys.argv[1:]:
        known = "judge replay, retrain backtest, retrain record"
        print(f"serinus: unknown argument {sys.argv[1]!r}; known are: {known}", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"serinus: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        return asyncio.run(run(settings))
    except ConnectionError as error:
        print(f"serinus: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
