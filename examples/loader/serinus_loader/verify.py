"""Verification of an OpenSSF model signature by a public key. Fails closed: whatever keeps us from saying that the
signature is right means that it is not."""

from pathlib import Path
from typing import Any

from .errors import AlteredError


def verify_model(model: Path, key: Path, signature: str) -> None:
    """AlteredError unless the file `signature` below `model` is a signature by `key` of everything else there."""
    signed = model / signature
    if not signed.is_file():
        raise AlteredError(f"the model has no signature {signature}")
    files = [path for path in model.rglob("*") if path.is_file() and path != signed]
    if not files:
        raise AlteredError("there is a signature, but no model")
    # A single file may have been signed by itself, or with the folder around it.
    problems = [_find_problem(place, key, signed) for place in ([files[0]] if len(files) == 1 else []) + [model]]
    if all(problems):
        raise AlteredError(f"the signature {signature} does not fit the model: {problems[-1]}")


def _find_problem(place: Path, key: Path, signed: Path) -> str:
    """Why the signature does not fit; empty where it does."""
    from model_signing import verifying

    base: Any = verifying.Config

    class Config(base):  # type: ignore[misc]
        """Hashes as the signature says, and leaves out the signature itself."""

        def _guess_hashing_config(self, source_manifest: Any) -> None:
            super()._guess_hashing_config(source_manifest)
            if place.is_dir():
                self._hashing_config.add_ignored_paths(model_path=place, paths=[signed.relative_to(place)])

    config: Any = Config
    try:
        config().use_elliptic_key_verifier(public_key=key).verify(place, signed)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:512]
    return ""
