"""One run: empty the folder, load, verify, leave nothing of our own behind."""

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from .errors import ConfigError, LoaderError
from .sources import load_model
from .verify import verify_model

Say = Callable[[str], None]

SCRATCH: Final = ".serinus-loader"
"""The only place besides the model that can be written; below the model, since there is no other volume."""
WORD: Final = "/dev/termination-log"
LIMIT: Final = 4096
"""Bytes of a termination message that Kubernetes keeps."""


def run(arguments: Sequence[str], env: Mapping[str, str], say: Say) -> int:
    """Do what the first argument says, load or verify; the exit code. The reason for any but 0 is left where Kubernetes
    finds it."""
    try:
        do(arguments[0] if arguments else "", env, say)
    except LoaderError as error:
        code, reason = error.exit_code, str(error)
    except Exception as error:
        # Nobody knows whether the next try would be better, so Kubernetes may try again.
        say(traceback.format_exc())
        code, reason = LoaderError.exit_code, f"{type(error).__name__}: {error}"
    else:
        return 0
    say(f"exit code {code}: {reason}")
    with suppress(OSError):
        Path(env.get("SERINUS_TERMINATION_LOG", WORD)).write_bytes(reason.encode()[:LIMIT])
    return code


def do(task: str, env: Mapping[str, str], say: Say) -> None:
    """Load or verify; LoaderError where that does not end well."""
    if task not in ("load", "verify"):
        raise ConfigError(f"the task must be load or verify, not {task!r}")
    target = Path(_read(env, "SERINUS_MODEL_PATH"))
    uri = _read(env, "SERINUS_MODEL_URI")
    key, signature = env.get("SERINUS_VERIFY_KEY"), env.get("SERINUS_VERIFY_SIGNATURE", "model.sig")
    if task == "load":
        say(f"loading {uri} into {target}")
        _load(target, uri, signature if key else None, env)
    if key:
        verify_model(target, Path(key), signature)
        say("the signature is right")
    say("done")


def _load(target: Path, uri: str, signature: str | None, env: Mapping[str, str]) -> None:
    for old in target.iterdir():
        # What an earlier try left behind.
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    scratch = target / SCRATCH
    scratch.mkdir()
    # Libraries write below the home and into temporary files, and nothing else can be written.
    os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    try:
        load_model(uri, target, scratch, signature, env)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for path in target.rglob("*"):
        # The containers may run as another user.
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))


def _read(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set")
    return value
