"""Errors of adapters whose tensors and configuration are inconsistent or incomplete."""

from __future__ import annotations

from collections.abc import Sequence

from include.errors import ModelImportError
from include.service.limits import TRANSFORMERS

_SAVE_AGAIN = "Save the adapter again from the training run, with save_pretrained, and check that all of it is written."


def first(names: Sequence[str], count: int = 3) -> str:
    """Return the first names, with an ellipsis if there are more."""
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")


class AdapterUnreadableError(ModelImportError):
    """A pickled adapter is not a plain set of tensors."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            "The adapter's weights cannot be read",
            path,
            "tensors by name, as save_pretrained writes them",
            found,
            "Save the adapter again with save_pretrained, which writes adapter_model.safetensors.",
        )


class AdapterTensorsEmptyError(ModelImportError):
    """An adapter has no tensors, or tensors without elements."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(
            "The adapter holds no trained weights",
            path,
            "tensors with elements",
            found,
            "DeepSpeed ZeRO-3 and FSDP save this when the weights are not gathered first: set "
            "stage3_gather_16bit_weights_on_model_save (or the full state dict) and save the adapter again.",
        )


class AdapterDtypeError(ModelImportError):
    """Tensors of an adapter do not have a floating-point dtype that can be merged."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__(
            "The adapter's tensors cannot be read as numbers to merge",
            which,
            expected,
            found,
            "Save the adapter in float32, float16 or bfloat16.",
        )


class AdapterNamesAmbiguousError(ModelImportError):
    """Two tensors of an adapter have the same name without wrapper prefixes."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "The adapter's tensor names are ambiguous",
            which,
            "one tensor for each part of a module",
            found,
            "Save one adapter alone: save_pretrained(folder, selected_adapters=[name]).",
        )


class AdapterTensorShapeError(ModelImportError):
    """The shape of an adapter's tensor does not fit its name."""

    def __init__(self, tensor: str, expected: str, found: str) -> None:
        super().__init__("A tensor of the adapter has the wrong shape", tensor, expected, found, _SAVE_AGAIN)


class AdapterRankMismatchError(ModelImportError):
    """The rank of the tensors differs from the configuration, so that the scaling would be wrong."""

    def __init__(self, tensor: str, expected: int, found: int) -> None:
        super().__init__(
            "The adapter's rank is not the one in adapter_config.json",
            tensor,
            f"rank {expected}, from r and rank_pattern",
            f"rank {found}",
            "Use the adapter_config.json that was saved with these weights.",
        )


class AdapterIncompleteError(ModelImportError):
    """An adapter lacks tensors that its configuration names."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__("The adapter lacks tensors that its configuration names", which, expected, found, _SAVE_AGAIN)


class AdapterTensorUnusedError(ModelImportError):
    """The adapter's configuration does not use some of its tensors."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__(
            "The adapter holds tensors that its configuration gives no place",
            which,
            expected,
            found,
            "Use the adapter_config.json that was saved with these weights.",
        )


class AdapterNotPlacedError(ModelImportError):
    """peft could not load some tensors of an adapter, or found none for some modules."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "peft did not place the whole adapter in the base model",
            which,
            "every tensor of the adapter placed, and every place filled",
            found,
            "Merge it with the versions of peft and transformers it was trained with, and import the merged model.",
        )


class AdapterTargetMissingError(ModelImportError):
    """The base does not have a trained parameter as one tensor."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "The base model has no such parameter",
            which,
            "a tensor of this name in the base, as target_parameters of adapter_config.json says",
            found,
            f"transformers 5 joins a layer's experts in one parameter, {TRANSFORMERS} does not. Merge the adapter with "
            "the transformers it was trained with (merge_and_unload), and import the merged model.",
        )


class AdapterStartError(ModelImportError):
    """The adapter's training started from a modified base that cannot be reproduced."""

    def __init__(self, start: str, found: str, remedy: str) -> None:
        super().__init__(
            "The base that this adapter's training began from cannot be made again",
            f"init_lora_weights = {start}",
            "a start that leaves the base as it is, or one that follows from it alone (pissa, olora)",
            found,
            remedy,
        )


class AdapterSettingUnknownError(ModelImportError):
    """Fields of an adapter's configuration that may change its arithmetic in a way this project does not know."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "The adapter's configuration has settings unknown to this project",
            which,
            "settings of peft 0.21.2",
            found,
            "Merge it where it was trained (merge_and_unload). If a setting does not change the weights, remove it.",
        )


class AdapterPatternError(ModelImportError):
    """A regular expression of an adapter's configuration is invalid or takes too long."""

    def __init__(self, which: str, expected: str, found: str) -> None:
        super().__init__(
            "A pattern in adapter_config.json cannot be matched",
            which,
            expected,
            found,
            'Name the modules in it one by one, as in rank_pattern = {"model.layers.0.self_attn.q_proj": 8}.',
        )


class AdapterBiasUnplacedError(ModelImportError):
    """The adapter has a trained bias for a layer without one."""

    def __init__(self, which: str, found: str) -> None:
        super().__init__(
            "This architecture has no place for the adapter's bias",
            which,
            "a base layer with a bias, as lora_bias needs",
            found,
            "Train without lora_bias; peft cannot merge such an adapter either.",
        )


class MergedLogitsDifferError(ModelImportError):
    """A merged model that does not compute what the adapter's own model does."""

    def __init__(self, sequences: int, difference: float, allowed: float, adapter_effect: float) -> None:
        super().__init__(
            "The merged model is not the trained one",
            f"logits on {sequences} random token sequences",
            f"those of peft's own model, base + adapter, within {allowed:.2g}, which rounding explains",
            f"a difference of {difference:.2g}; the adapter itself changes the base's by {adapter_effect:.2g}",
            "Do not import it. Merge it where it was trained (merge_and_unload), and report the adapter's "
            "adapter_config.json to this project.",
        )


class LogitsNotComparedError(ModelImportError):
    """A comparison of logits that was asked for and did not happen."""

    def __init__(self, found: str) -> None:
        super().__init__(
            "The merged model's logits cannot be compared with peft's",
            "merge --check",
            "a process that loads base, adapter and merged model",
            found,
            "Check memory and the versions of peft and transformers; --check 0 merges without comparing.",
        )
