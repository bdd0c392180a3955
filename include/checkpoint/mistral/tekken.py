"""Convert Mistral's ``tekken.json`` to a ``tokenizers`` tokenizer.

The file holds byte sequences by rank; special tokens take the first ids, a sequence's id is its rank behind them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.checkpoint.errors import RawTokenizerError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Those of the first tekken files, which do not list their special tokens.
_EARLY_SPECIALS = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
)  # fmt: skip

# Mistral's own files have 1,000 special tokens, and tokens of up to 78 bytes; each way to cut a token in two is tried.
MAX_SPECIALS, MAX_TOKEN_BYTES = 100_000, 512


def tekken_tokenizer(raw: Mapping[str, Any]) -> tuple[Tokenizer, list[str]]:
    """Return the tokenizer and its special tokens in the order of their ids; raises RawTokenizerError."""
    try:
        config = raw["config"]
        count = int(config["default_num_special_tokens"])
        if not 0 <= count <= MAX_SPECIALS:
            raise ValueError(f"{count} special tokens, more than {MAX_SPECIALS}")
        specials = _specials(raw, count)
        size = int(config["default_vocab_size"]) - count
        sequences = [base64.b64decode(entry["token_bytes"]) for entry in raw["vocab"][:size]]
        if (longest := max(map(len, sequences), default=0)) > MAX_TOKEN_BYTES:
            raise ValueError(f"a token of {longest} bytes, more than {MAX_TOKEN_BYTES}")
        return _build(specials, sequences, str(config["pattern"])), specials
    except Exception as error:  # tokenizers raises its own kinds
        raise RawTokenizerError("tekken.json", f"{type(error).__name__}: {error}") from error


def _build(specials: list[str], sequences: list[bytes], pattern: str) -> Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    count = len(specials)
    ids = {token: number for number, token in enumerate(specials)}
    ids |= {_as_text(sequence): rank + count for rank, sequence in enumerate(sequences)}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=_merges(sequences)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", ids["<s>"])])
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in specials])
    return tokenizer


def _specials(raw: Mapping[str, Any], count: int) -> list[str]:
    listed = raw.get("special_tokens")
    known = (
        {int(item["rank"]): str(item["token_str"]) for item in listed} if listed else dict(enumerate(_EARLY_SPECIALS))
    )
    return [known.get(rank, f"<SPECIAL_{rank}>") for rank in range(count)]


def _merges(sequences: list[bytes]) -> list[tuple[str, str]]:
    """Return the pair that makes up each sequence, in the order of the sequences' ranks."""
    ranks = {sequence: rank for rank, sequence in enumerate(sequences)}
    merges = []
    for sequence in sequences:
        pairs = [(sequence[:cut], sequence[cut:]) for cut in range(1, len(sequence))]
        known = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
        known.sort(key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
        merges += [(_as_text(left), _as_text(right)) for left, right in known]
    return merges


def _byte_names() -> list[str]:
    # GPT-2's names for bytes: those that print stand for themselves, the others are moved behind 255 in their order.
    printing = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = (number for number in range(256, 512))
    return [chr(byte) if byte in printing else chr(next(moved)) for byte in range(256)]


_BYTE_NAMES = _byte_names()


def _as_text(sequence: bytes) -> str:
    return "".join(_BYTE_NAMES[byte] for byte in sequence)
