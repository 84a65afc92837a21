import pytest

from serinus.engine.feed import Feed
from serinus.engine.store import Key, Raw, Store


def make(name: str, version: int | str, owner: str | None = None, namespace: str = "ml") -> Raw:
    labels = {"owner": owner} if owner else {}
    return {"metadata": {"namespace": namespace, "name": name, "resourceVersion": str(version), "labels": labels}}


def owner_of(obj: Raw) -> str | None:
    return obj["metadata"]["labels"].get("owner")


@pytest.fixture
def store() -> Store:
    return Store(owner_of)


def test_an_older_version_never_replaces_a_newer_one(store: Store) -> None:
    assert store.put("Pod", make("a", 10))
    assert not store.put("Pod", make("a", 9))
    assert not store.put("Pod", make("a", 10))
    assert store.get("Pod", "ml", "a") == make("a", 10)
    assert store.put("Pod", make("a", 11))


def test_our_own_write_is_seen_at_once_and_its_echo_is_no_news(store: Store) -> None:
    store.put("Pod", make("a", 10))
    store.written("Pod", make("a", 12))
    assert not store.put("Pod", make("a", 11))
    assert not store.put("Pod", make("a", 12))
    held = store.get("Pod", "ml", "a")
    assert held is not None
    assert held["metadata"]["resourceVersion"] == "12"


def test_a_deleted_object_does_not_come_back_through_a_late_event(store: Store) -> None:
    store.put("Pod", make("a", 10))
    assert store.pop("Pod", make("a", 15))
    assert not store.put("Pod", make("a", 14))
    assert store.get("Pod", "ml", "a") is None
    assert store.put("Pod", make("a", 16))


def test_a_late_deletion_does_not_remove_the_successor_of_that_name(store: Store) -> None:
    store.put("Pod", make("a", 20))
    assert not store.pop("Pod", make("a", 15))
    assert store.get("Pod", "ml", "a") is not None


def test_versions_that_are_no_numbers_let_the_last_one_win(store: Store) -> None:
    store.put("Pod", make("a", "x1"))
    assert store.put("Pod", make("a", "x0"))
    assert not store.put("Pod", make("a", "x0"))
    assert store.pop("Pod", make("a", "x0"))


def test_children_are_found_by_owner_and_move_with_the_label(store: Store) -> None:
    store.put("Pod", make("b", 1, "fraud"))
    store.put("Pod", make("a", 2, "fraud"))
    store.put("Pod", make("c", 3, "fraud", namespace="other"))
    store.put("Service", make("a", 4, "fraud"))
    assert [obj["metadata"]["name"] for obj in store.by_owner("Pod", "ml", "fraud")] == ["a", "b"]
    store.put("Pod", make("a", 5, "churn"))
    store.pop("Pod", make("b", 6, "fraud"))
    assert store.by_owner("Pod", "ml", "fraud") == ()
    assert len(store.by_owner("Pod", "ml", "churn")) == 1


def test_lists_are_by_namespace_and_sorted(store: Store) -> None:
    for name in ("b", "a"):
        store.put("Pod", make(name, 1))
    store.put("Pod", make("c", 1, namespace="other"))
    assert [obj["metadata"]["name"] for obj in store.list("Pod")] == ["a", "b", "c"]
    assert [obj["metadata"]["name"] for obj in store.list("Pod", "ml")] == ["a", "b"]
    assert store.count("Pod") == 3


def test_a_sweep_tells_what_events_missed_and_keeps_what_is_newer_than_the_list(store: Store) -> None:
    store.put("Pod", make("same", 1))
    store.put("Pod", make("vanished", 2, "fraud"))
    store.put("Pod", make("changed", 3))
    store.put("Pod", make("created-meanwhile", 60))
    store.put("Pod", make("changed-meanwhile", 61))
    listed = [make("same", 1), make("changed", 40), make("added", 41), make("changed-meanwhile", 5)]
    sweep = store.replace_all("Pod", listed, "50")
    assert [obj["metadata"]["name"] for obj in sweep.added] == ["added"]
    assert [obj["metadata"]["name"] for obj in sweep.changed] == ["changed"]
    assert sweep.vanished == (make("vanished", 2, "fraud"),)
    assert store.by_owner("Pod", "ml", "fraud") == ()
    assert [obj["metadata"]["name"] for obj in store.list("Pod")] == [
        "added",
        "changed",
        "changed-meanwhile",
        "created-meanwhile",
        "same",
    ]
    assert not store.replace_all("Pod", store.list("Pod"), "70")


def test_after_a_list_an_event_from_before_it_brings_nothing_back(store: Store) -> None:
    store.put("Pod", make("a", 10))
    store.replace_all("Pod", [], "50")
    assert not store.put("Pod", make("a", 49))
    assert store.put("Pod", make("a", 51))


def test_a_list_from_a_restored_backup_is_believed_although_all_versions_are_older(store: Store) -> None:
    store.replace_all("Pod", [make("kept", 80), make("changed", 90), make("gone", 95)], "100")
    back = [{**make("changed", 30), "spec": {"restored": True}}, make("kept", 80), make("old", 20)]
    sweep = store.replace_all("Pod", back, "40")
    assert [obj["metadata"]["name"] for obj in sweep.added] == ["old"]
    assert [obj["metadata"]["name"] for obj in sweep.changed] == ["changed"]
    assert [obj["metadata"]["name"] for obj in sweep.vanished] == ["gone"]
    assert store.put("Pod", make("new", 41))


def test_keys_name_their_object() -> None:
    assert str(Key("Pod", "ml", "a")) == "Pod/ml/a"
    assert str(Key("MetricsProvider", "", "default")) == "MetricsProvider/default"


def test_the_feed_passes_on_news_only() -> None:
    told: list[tuple[str, str]] = []
    feed = Feed(Store(owner_of), lambda kind, obj: told.append((kind, obj["metadata"]["name"])))
    feed.on_event("Pod", None, make("a", 1))
    feed.on_event("Pod", "MODIFIED", make("a", 1))
    feed.on_event("Pod", "MODIFIED", make("a", 2))
    feed.on_event("Pod", "DELETED", make("a", 3))
    feed.on_event("Pod", "DELETED", make("a", 3))
    assert told == [("Pod", "a")] * 3
    assert feed.on_list("Pod", [make("b", 4)], "9") == 1
    assert feed.on_list("Pod", [make("b", 4)], "10") == 0
    assert told[3:] == [("Pod", "b")]
