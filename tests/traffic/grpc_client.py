"""The client of this folder for gRPC: `python -m tests.traffic.grpc_client`, with the same options and the same file.

A status is written down as the HTTP status of the same rank: 200 for OK, 503 for UNAVAILABLE, 500 for any other. Who
answered is told by the metadata of the answer, as by the header with HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import grpc

from tests.traffic.answers import VERSION_HEADER
from tests.traffic.client import Load, Send, run_client


@asynccontextmanager
async def connect(load: Load) -> AsyncIterator[Send]:
    """One channel to the gateway, which splits by call."""
    url = urlsplit(load.url)
    # A client that tries again by itself would hide what it lost.
    options = [("grpc.default_authority", load.host), ("grpc.enable_retries", 0)]
    async with grpc.aio.insecure_channel(url.netloc, options=options) as channel:
        predict = channel.unary_unary("/serinus.test.Model/Predict")

        async def send() -> tuple[int, str]:
            call = predict(b"", timeout=load.timeout)
            try:
                await call
                status = 200
            except grpc.aio.AioRpcError as error:
                status = 503 if error.code() is grpc.StatusCode.UNAVAILABLE else 500
            metadata = dict(await call.initial_metadata() or ())
            return status, str(metadata.get(VERSION_HEADER, ""))

        yield send


if __name__ == "__main__":
    run_client(connect)
