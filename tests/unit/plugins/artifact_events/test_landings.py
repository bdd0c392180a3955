from __future__ import annotations

from artifact_events.landings import Message, Settling
from artifact_events.messages import ObjectWritten, TrainingJobChanged


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def settling(clock: Clock) -> Settling:
    return Settling(10, 60, clock)


def test_a_folder_is_looked_at_once_when_nothing_was_written_for_a_while() -> None:
    clock = Clock()
    held = settling(clock)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        held.add((ObjectWritten("bucket", f"a/{name}"),), Message(name))
        clock.now += 9
        assert held.settled() == []
    clock.now += 1
    [landing] = held.settled()
    assert [message.receipt_handle for message in landing.messages] == [
        "adapter_model.safetensors",
        "adapter_config.json",
    ]
    assert held.settled() == []


def test_a_folder_that_never_rests_is_looked_at_nevertheless() -> None:
    clock = Clock()
    held = settling(clock)
    looks = 0
    for second in range(0, 130, 5):
        clock.now = second
        held.add((ObjectWritten("bucket", "a/model.safetensors"),), Message(str(second)))
        looks += len(held.settled())
    assert looks == 2


def test_folders_archives_and_states_of_training_jobs_are_landings_of_their_own() -> None:
    clock = Clock()
    held = settling(clock)
    keys = ("a/config.json", "b/config.json", "b/one.tar.gz", "b/two.tar.gz")
    held.add(tuple(ObjectWritten("bucket", key) for key in keys), Message("m"))
    states = ("Completed", "InProgress")
    held.add(tuple(TrainingJobChanged("job", status, None) for status in states), Message("n"))
    clock.now = 10
    assert len(held.settled()) == 6
