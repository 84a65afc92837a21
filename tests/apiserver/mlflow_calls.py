"""Calls functions of the MLflow adapter where MLflow can be reached."""

import asyncio
import dataclasses
import json
import sys
from typing import Any

from serinus.net.transport import Transport
from serinus.registries import mlflow, mlflow_runs
from serinus.registries.mlflow_api import MLflow


async def call(address: str, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    transport = Transport()
    server = MLflow(transport, address)
    try:
        return [await call_one(server, name, asked) for name, asked in calls]
    finally:
        await transport.close()


async def call_one(server: MLflow, name: str, asked: dict[str, Any]) -> Any:
    if name == "results":
        made = await mlflow_runs.find_trained(server, asked["name"], asked["run"])
        run = await mlflow_runs.read_run(server, made.run) if isinstance(made, mlflow.Version) else None
        return mlflow_runs.build_results(made, run) if isinstance(run, mlflow_runs.Run) else made
    if name != "set_tags":
        return await getattr(mlflow_runs if hasattr(mlflow_runs, name) else mlflow, name)(server, **asked)
    found = await mlflow.find_version(server, run=asked["run"])
    return await mlflow.set_tags(server, found, asked["tags"]) if isinstance(found, mlflow.Version) else found


def describe(answer: Any) -> Any:
    if isinstance(answer, tuple | list):
        return [describe(one) for one in answer]
    if isinstance(answer, dict):
        return answer
    return {"is": type(answer).__name__, **dataclasses.asdict(answer)}


if __name__ == "__main__":
    answer = asyncio.run(call(sys.argv[1], json.loads(sys.stdin.read())))
    print(json.dumps(describe(answer)))
