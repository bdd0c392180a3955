from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from include.local_aws.bedrock.inference import TextAssembler


def sent(text: str, *stop: str) -> tuple[list[str], bool]:
    """What is sent of a text that grows character by character."""
    assembler = TextAssembler(stop)
    pieces = []
    for length in range(1, len(text) + 1):
        pieces.append(assembler.grow(text[:length]))
        if assembler.stopped:
            break
    pieces.append(assembler.end(text))
    return [piece for piece in pieces if piece], assembler.stopped


def test_text_is_sent_as_it_comes() -> None:
    assert sent("Paris") == (["P", "a", "r", "i", "s"], False)


def test_a_stop_sequence_is_never_sent_not_even_its_beginning() -> None:
    assert sent("Paris\n\nQ", "\n\nQ") == (["P", "a", "r", "i", "s"], True)


def test_the_beginning_of_a_stop_sequence_is_sent_once_it_turns_out_to_be_none() -> None:
    pieces, stopped = sent("a</b", "</s>")
    assert (pieces, stopped) == (["a", "</b"], False)


def test_the_first_of_several_stop_sequences_ends_the_text() -> None:
    assert sent("one.two!", "!", ".") == (["o", "n", "e"], True)


def test_half_a_character_waits_for_its_other_half() -> None:
    assembler = TextAssembler(())
    assert assembler.grow("caf\N{REPLACEMENT CHARACTER}") == "caf"
    assert assembler.grow("café") == "é"


def test_half_a_character_at_the_very_end_is_sent_as_it_is() -> None:
    assembler = TextAssembler(())
    text = "caf\N{REPLACEMENT CHARACTER}"
    assert assembler.grow(text) + assembler.end(text) == text


@given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_what_is_sent_is_the_text_up_to_the_first_stop_sequence_to_be_complete(text: str, stop: list[str]) -> None:
    ends = [(text.find(sequence) + len(sequence), -len(sequence)) for sequence in stop if sequence in text]
    pieces, stopped = sent(text, *stop)
    assert stopped == bool(ends)
    expected = text if not ends else text[: sum(min(ends))]
    assert "".join(pieces) == expected
