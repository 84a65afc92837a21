import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from serinus.kube import errors
from serinus.kube.gateway import PAGE_SIZE, Kube
from serinus.kube.lister import Lister
from serinus.kube.resources import (
    DEPLOYMENTS,
    GATEWAYS,
    HTTPROUTES,
    METRICSPROVIDERS,
    MODELDEPLOYMENTS,
    PODS,
    SERVICES,
    Watched,
)
from tests.fakes.apiserver import FakeApiServer, Request

Raw = dict[str, Any]


def make(name: str, **fields: Any) -> Raw:
    return {"metadata": {"namespace": "ml", "name": name}, **fields}


def anything(request: Request) -> bool:
    return True


async def test_every_call_names_us_and_carries_the_token(server: FakeApiServer, kube: Kube) -> None:
    await server.put(SERVICES, make("a"))
    assert (await kube.get(SERVICES, "ml", "a"))["metadata"]["name"] == "a"
    headers = server.requests[0].headers
    assert headers["User-Agent"].startswith("serinus/")
    assert headers["Authorization"] == "bearer s3cret"


async def test_apply_creates_and_changes_as_one_manager(server: FakeApiServer, kube: Kube) -> None:
    created = await kube.apply(SERVICES, make("a", spec={"type": "ClusterIP"}), manager="serinus/routing")
    changed = await kube.apply(SERVICES, make("a", spec={"type": "NodePort"}), manager="serinus/routing", force=False)
    assert created["kind"] == "Service"
    assert changed["spec"] == {"type": "NodePort"}
    first, second = server.requests
    assert (first.method, first.path) == ("PATCH", "/api/v1/namespaces/ml/services/a")
    assert first.headers["Content-Type"] == "application/apply-patch+yaml"
    assert first.query == {"fieldManager": "serinus/routing", "force": "true"}
    assert second.query["force"] == "false"
    assert first.body["apiVersion"] == "v1"


async def test_apply_with_a_uid_never_brings_a_deleted_object_back(server: FakeApiServer, kube: Kube) -> None:
    gone = make("a")
    gone["metadata"]["uid"] = "uid-1"
    with pytest.raises(errors.Conflict):
        await kube.apply(DEPLOYMENTS, gone)
    assert server.get(DEPLOYMENTS, "ml", "a") is None


async def test_status_is_replaced_only_if_nobody_was_faster(server: FakeApiServer, kube: Kube) -> None:
    read = await server.put(MODELDEPLOYMENTS, make("a", spec={"x": 1}, status={"phase": "Pending", "old": 1}))
    written = await kube.replace_status(MODELDEPLOYMENTS, read, {"phase": "Stable"})
    assert written["status"] == {"phase": "Stable"}
    assert written["spec"] == {"x": 1}
    assert server.requests[-1].path.endswith("/modeldeployments/a/status")
    with pytest.raises(errors.Conflict):
        await kube.replace_status(MODELDEPLOYMENTS, read, {"phase": "Rejected"})
    with pytest.raises(errors.Conflict):
        await kube.patch_status(MODELDEPLOYMENTS, read, {"phase": "Rejected"})
    merged = await kube.patch_status(MODELDEPLOYMENTS, written, {"replicas": 2})
    assert merged["status"] == {"phase": "Stable", "replicas": 2}


async def test_patches_are_sent_as_what_they_are(server: FakeApiServer, kube: Kube) -> None:
    await server.put(SERVICES, make("a", spec={"x": 1}))
    await kube.merge_patch(SERVICES, "ml", "a", {"spec": {"x": None, "y": 2}})
    patched = await kube.json_patch(SERVICES, "ml", "a", [{"op": "replace", "path": "/spec/y", "value": 3}])
    assert patched["spec"] == {"y": 3}
    assert [request.headers["Content-Type"] for request in server.requests] == [
        "application/merge-patch+json",
        "application/json-patch+json",
    ]
    with pytest.raises(errors.Invalid):
        await kube.json_patch(SERVICES, "ml", "a", [{"op": "test", "path": "/spec/y", "value": 9}])


async def test_create_delete_and_replace_say_what_was_in_the_way(server: FakeApiServer, kube: Kube) -> None:
    created = await kube.create(SERVICES, make("a"))
    with pytest.raises(errors.AlreadyExists):
        await kube.create(SERVICES, make("a"))
    await kube.replace(SERVICES, {**created, "spec": {"x": 1}})
    with pytest.raises(errors.Conflict):
        await kube.replace(SERVICES, {**created, "spec": {"x": 2}})
    with pytest.raises(errors.Conflict):
        await kube.delete(SERVICES, "ml", "a", uid="another")
    assert await kube.delete(SERVICES, "ml", "a", uid=created["metadata"]["uid"], propagation="Foreground")
    assert server.requests[-1].body["propagationPolicy"] == "Foreground"
    assert not await kube.delete(SERVICES, "ml", "a")


async def test_cluster_scoped_objects_have_no_namespace_in_their_path(server: FakeApiServer, kube: Kube) -> None:
    await server.put(METRICSPROVIDERS, {"metadata": {"name": "default"}})
    await kube.get(METRICSPROVIDERS, "", "default")
    assert server.requests[-1].path == "/apis/serinus.dev/v1alpha1/metricsproviders/default"


async def test_names_cannot_leave_their_place_in_the_path(server: FakeApiServer, kube: Kube) -> None:
    with pytest.raises(errors.KubeError):
        await kube.get(SERVICES, "ml", "../../kube-system/services/x")
    assert "kube-system/services/x" not in server.requests[-1].path.split("services/", 1)[0]


async def test_lists_come_in_pages_with_type_and_common_version(server: FakeApiServer, kube: Kube) -> None:
    server.page_limit = 3
    for number in range(10):
        await server.put(PODS, {"metadata": {"namespace": "ml", "name": f"p{number}", "labels": {"a": "b"}}})
    await server.put(PODS, {"metadata": {"namespace": "other", "name": "q"}})
    listing = await kube.list(PODS, label_selector="a=b")
    assert [obj["metadata"]["name"] for obj in listing.objects] == [f"p{number}" for number in range(10)]
    assert {(obj["apiVersion"], obj["kind"]) for obj in listing.objects} == {("v1", "Pod")}
    assert int(listing.resource_version) > 110
    assert len(server.requests) == 4
    assert {request.query["limit"] for request in server.requests} == {str(PAGE_SIZE)}
    assert len((await kube.list(PODS, "other")).objects) == 1


async def test_a_list_whose_continuation_expired_starts_anew(server: FakeApiServer, kube: Kube) -> None:
    server.page_limit = 1
    for name in ("a", "b"):
        await server.put(PODS, make(name))
    gone = {"kind": "Status", "reason": "Expired", "code": 410, "message": "too old"}
    server.fail(lambda request: "continue" in request.query, status=410, body=gone)
    assert len((await kube.list(PODS)).objects) == 2
    server.fail(anything, status=410, body=gone, times=9)
    with pytest.raises(errors.Expired):
        await kube.list(PODS)


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", errors.Invalid),
        (401, "Unauthorized", errors.Forbidden),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Expired),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.Throttled),
        (500, "InternalError", errors.Unavailable),
        (503, "ServiceUnavailable", errors.Unavailable),
        (504, "Timeout", errors.TimedOut),
    ],
)
async def test_answers_become_few_errors(
    server: FakeApiServer, kube: Kube, status: int, reason: str, expected: type[errors.KubeError]
) -> None:
    cause = {"reason": "FieldValueInvalid", "message": "must be positive", "field": "spec.replicas"}
    body = {"kind": "Status", "reason": reason, "message": "no, because", "details": {"causes": [cause]}}
    server.fail(anything, status=status, body=body)
    with pytest.raises(errors.KubeError) as caught:
        await kube.get(SERVICES, "ml", "a")
    assert type(caught.value) is expected
    assert (caught.value.message, caught.value.status, caught.value.reason) == ("no, because", status, reason)
    assert caught.value.has_cause("FieldValueInvalid")


async def test_retry_after_is_read_from_header_or_body(server: FakeApiServer, kube: Kube) -> None:
    server.fail(anything, status=429, body="slow down", headers={"Retry-After": "7"})
    with pytest.raises(errors.Throttled) as caught:
        await kube.get(SERVICES, "ml", "a")
    assert caught.value.retry_after == 7
    assert caught.value.message == "HTTP 429", "what is no Status comes from a stranger and is not shown"
    server.fail(anything, status=429, body={"kind": "Status", "details": {"retryAfterSeconds": 3}})
    with pytest.raises(errors.Throttled) as caught:
        await kube.get(SERVICES, "ml", "a")
    assert caught.value.retry_after == 3
    server.fail(anything, status=429, body="", headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"})
    with pytest.raises(errors.Throttled) as caught:
        await kube.get(SERVICES, "ml", "a")
    assert caught.value.retry_after is None


async def test_a_hanging_server_costs_one_timeout_and_nobody_else(
    server: FakeApiServer, kube: Kube, calls: list[tuple[str, str, str]]
) -> None:
    await server.put(SERVICES, make("b"))
    server.fail(lambda request: request.path.endswith("/a"), delay=30, times=2)
    hanging = asyncio.create_task(kube.get(SERVICES, "ml", "a"))
    await kube.get(SERVICES, "ml", "b")
    assert not hanging.done()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    hasty = Kube(kube._client, on_request=kube._on_request, timeout=0.5)
    with pytest.raises(errors.TimedOut, match=r"no answer within 0\.5s"):
        await hasty.get(SERVICES, "ml", "a")
    assert calls[-1] == ("get", "services", "TimedOut")


async def test_html_from_something_in_between_is_no_answer(server: FakeApiServer, kube: Kube) -> None:
    server.fail(anything, status=200, body="<html>Please log in</html>")
    with pytest.raises(errors.Unavailable, match="no JSON"):
        await kube.get(SERVICES, "ml", "a")
    server.fail(anything, status=502, body="<html>Bad Gateway</html>")
    with pytest.raises(errors.Unavailable, match="HTTP 502"):
        await kube.get(SERVICES, "ml", "a")


async def test_a_server_that_is_not_there_is_unavailable(
    server: FakeApiServer, kube: Kube, calls: list[tuple[str, str, str]]
) -> None:
    async with FakeApiServer([]).running() as other:
        url = other.url
    kube._client.configuration.host = url
    with pytest.raises(errors.Unavailable):
        await kube.get(SERVICES, "ml", "a")
    assert calls == [("get", "services", "Unavailable")]


async def test_the_fence_holds_back_writes_but_not_reads(server: FakeApiServer, kube: Kube) -> None:
    await server.put(SERVICES, make("a"))
    leading = False
    fenced = kube.fenced(lambda: leading)
    await fenced.get(SERVICES, "ml", "a")
    for write in (
        fenced.apply(SERVICES, make("a")),
        fenced.create(SERVICES, make("b")),
        fenced.delete(SERVICES, "ml", "a"),
        fenced.merge_patch(SERVICES, "ml", "a", {}),
    ):
        with pytest.raises(errors.NotLeading):
            await write
    assert server.writes() == []
    leading = True
    await fenced.apply(SERVICES, make("a"))
    assert len(server.writes()) == 1


async def test_calls_are_counted_by_verb_resource_and_code(
    server: FakeApiServer, kube: Kube, calls: list[tuple[str, str, str]]
) -> None:
    await kube.apply(SERVICES, make("a"))
    await kube.list(SERVICES)
    with pytest.raises(errors.NotFound):
        await kube.get(SERVICES, "ml", "missing")
    assert calls == [("apply", "services", "201"), ("list", "services", "200"), ("get", "services", "404")]


async def test_the_lister_knows_namespaces_selectors_and_missing_kinds(server: FakeApiServer, kube: Kube) -> None:
    server.resources.remove(HTTPROUTES)
    for namespace in ("a", "b", "c"):
        labels = {"mine": "yes"} if namespace != "b" else {}
        await server.put(PODS, {"metadata": {"namespace": namespace, "name": "p", "labels": labels}})
    await server.put(METRICSPROVIDERS, {"metadata": {"name": "default"}})
    watched = [Watched(PODS, "mine=yes"), Watched(HTTPROUTES), Watched(METRICSPROVIDERS)]
    everywhere, some = Lister(kube, (), watched), Lister(kube, ("a", "b"), watched)
    assert everywhere.kinds == ("Pod", "HTTPRoute", "MetricsProvider")
    assert [obj["metadata"]["namespace"] for obj in (await everywhere("Pod")).objects] == ["a", "c"]
    assert [obj["metadata"]["namespace"] for obj in (await some("Pod")).objects] == ["a"]
    missing = await everywhere("HTTPRoute")
    assert (missing.objects, missing.served) == ((), False)
    assert (await everywhere("Pod")).served
    assert len((await some("MetricsProvider")).objects) == 1


async def test_a_right_that_is_missing_in_one_namespace_is_said_with_verb_and_resource(
    server: FakeApiServer, kube: Kube
) -> None:
    await server.put(PODS, make("p"))
    message = 'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "other"'
    answer = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
    server.fail(lambda r: "/other/" in r.path, status=403, body=answer, times=99)
    listing = await Lister(kube, ("ml", "other"), [Watched(PODS)])("Pod")
    (refused,) = listing.refused
    assert (refused.namespace, refused.message) == ("other", "the operator may not list pods in namespace other")
    assert [one["metadata"]["name"] for one in listing.objects] == ["p"], "the other namespace loses nothing by it"
    assert listing.resource_version


async def test_gateways_of_further_namespaces_are_listed_and_nothing_else_there(
    server: FakeApiServer, kube: Kube
) -> None:
    for resource in (GATEWAYS, PODS):
        server.resources.append(resource)
        for namespace in ("ml", "infra", "other"):
            await server.put(resource, {"metadata": {"namespace": namespace, "name": "x"}})
    lister = Lister(kube, ("ml",), [Watched(GATEWAYS), Watched(PODS)], {"Gateway": ("infra", "ml")})
    assert [one["metadata"]["namespace"] for one in (await lister("Gateway")).objects] == ["ml", "infra"]
    assert [one["metadata"]["namespace"] for one in (await lister("Pod")).objects] == ["ml"]


async def test_an_older_crd_is_found_in_what_the_api_server_publishes_of_itself(
    server: FakeApiServer, kube: Kube
) -> None:
    asked: list[str] = []
    outdated: Mapping[str, str] | None = {"MetricsProvider": "old"}

    async def fetch_outdated() -> Mapping[str, str] | None:
        asked.append("")
        return outdated

    server.resources.append(METRICSPROVIDERS)
    lister = Lister(kube, (), [Watched(METRICSPROVIDERS), Watched(PODS)], contract=fetch_outdated)
    assert (await lister("MetricsProvider")).outdated == "old"
    outdated = {}
    assert (await lister("MetricsProvider")).outdated == ""
    outdated = None
    assert (await lister("MetricsProvider")).outdated is None
    assert (await lister("Pod")).outdated is None
    assert len(asked) == 3, "nobody is asked about kinds that are not ours"


async def test_one_object_is_found_by_a_list_of_one(server: FakeApiServer, kube: Kube) -> None:
    for name in ("a", "b"):
        await server.put(SERVICES, make(name))
    found = await kube.find(SERVICES, "ml", "b")
    assert (found["metadata"]["name"], found["kind"]) == ("b", "Service")
    assert server.requests[-1].query == {"fieldSelector": "metadata.name=b"}
    with pytest.raises(errors.NotFound, match="services ml/c"):
        await kube.find(SERVICES, "ml", "c")


async def test_a_watch_is_tried_without_what_there_is(server: FakeApiServer, kube: Kube) -> None:
    server.fail(lambda r: r.query.get("watch") == "true", status=200, body={"type": "BOOKMARK"}, times=1)
    await kube.try_watch(SERVICES)
    assert server.requests[-1].query == {"watch": "true", "timeoutSeconds": "1", "fieldSelector": "metadata.name=-"}


async def test_a_refusal_by_admission_is_no_missing_right(server: FakeApiServer, kube: Kube) -> None:
    answer = {
        "kind": "Status",
        "code": 403,
        "reason": "Forbidden",
        "message": 'services "a" is forbidden: exceeded quota',
    }
    server.fail(anything, status=403, body=answer)
    with pytest.raises(errors.Forbidden) as caught:
        await kube.create(SERVICES, make("a"))
    assert not isinstance(caught.value, errors.Denied)


async def test_a_refusal_by_a_policy_is_told_as_it_is(server: FakeApiServer, kube: Kube) -> None:
    said = "ValidatingAdmissionPolicy 'serinus-operator' with binding 'serinus-operator' denied request: closed"
    answer = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": f'services "a" is forbidden: {said}'}
    server.fail(anything, status=403, body=answer)
    with pytest.raises(errors.DeniedByPolicy) as caught:
        await kube.create(SERVICES, make("a"))
    assert caught.value.explain() == f'the API server refuses it: services "a" is forbidden: {said}'
