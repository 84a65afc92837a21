"""Where references are kept: a folder, or an HTTP server that somebody else fills."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp

from .errors import MonitorError, ReferenceMissingError
from .settings import PLACEHOLDER, Settings, clean_name

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class RefusedError(MonitorError):
    """A reference that is not taken; `status` is the HTTP status to say so with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Store:
    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._template = settings.references
        self._most_bytes = settings.max_body * 16
        self._most_files = settings.max_references
        self._session = session

    def locate(self, name: str) -> str:
        """Where the reference of that name is; MonitorError where it is no name."""
        return self._template.replace(PLACEHOLDER, clean_name(name))

    async def load(self, name: str) -> bytes:
        """ReferenceMissingError where it is not there, or cannot be had now."""
        address = self.locate(name)
        if path := _as_path(address):
            return await asyncio.to_thread(self._read, path)
        return await self._fetch(address)

    def _read(self, path: Path) -> bytes:
        try:
            if path.stat().st_size > self._most_bytes:
                raise ReferenceMissingError(f"{path} is larger than the {self._most_bytes} bytes that are read")
            return path.read_bytes()
        except OSError as error:
            raise ReferenceMissingError(f"{path}: {error.strerror}") from error

    async def _fetch(self, address: str) -> bytes:
        try:
            async with self._session.get(address, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise ReferenceMissingError(f"GET {address} is answered with HTTP {answer.status}")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(65_536):
                    body += chunk
                    if len(body) > self._most_bytes:
                        raise ReferenceMissingError(
                            f"{address} has more than the {self._most_bytes} bytes that are read"
                        )
                return bytes(body)
        except (aiohttp.ClientError, OSError) as error:
            raise ReferenceMissingError(f"GET {address}: {error or type(error).__name__}") from error

    async def save(self, name: str, body: bytes) -> bool:
        """Keep a reference; whether it is new. RefusedError where there is another one of that name: what a model was
        trained on does not change."""
        path = _as_path(self.locate(name))
        if path is None:
            raise RefusedError(405, f"references come from {self._template}; put it there")
        return await asyncio.to_thread(self._write, path, body)

    def _write(self, path: Path, body: bytes) -> bool:
        try:
            if path.exists():
                if path.read_bytes() == body:
                    return False
                raise RefusedError(409, f"there is another reference {path.name} already")
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(os.listdir(path.parent)) >= self._most_files:
                raise RefusedError(507, f"{path.parent} has {self._most_files} files already (--max-references)")
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
                part.write(body)
            Path(part.name).replace(path)
        except OSError as error:
            raise RefusedError(507, f"{path} cannot be written: {error.strerror}") from error
        return True


def _as_path(address: str) -> Path | None:
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
