"""Adapters of every tuner, option and start that the installed peft has, as the cells of the merge matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import peft
import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora.config import CordaConfig
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.loraga import preprocess_loraga

from tests.support.matrix_families import TOKENS, Family, Model, load, logits

# What is trained, given the family, as the arguments of the tuner's configuration.
Settings = Callable[[Family], dict[str, Any]]
# What must be done with model and configuration before the adapter is made.
Preparation = Callable[[Model, LoraConfig], None]


@dataclass(frozen=True)
class Cell:
    """One way to train an adapter; ``refused`` is in the message of its refusal, on the families of ``only`` if any.

    ``converted``: saved with path_initial_model_for_weight_conversion.
    """

    name: str
    kind: str
    settings: Settings
    prepare: Preparation | None = None
    converted: bool = False
    refused: str = ""
    only: tuple[str, ...] = ()


def _targets(**more: Any) -> Settings:
    return lambda family: {"target_modules": list(family.linear)} | more


def _outputs(**more: Any) -> Settings:
    return lambda family: {"target_modules": list(family.outputs)} | more


def _ia3(family: Family) -> dict[str, Any]:
    feedforward = [name for name in family.linear if name not in family.outputs]
    return {"target_modules": list(family.linear), "feedforward_modules": feedforward}


def _prompt(**more: Any) -> Settings:
    return lambda family: {"num_virtual_tokens": 4} | more


_NO_BIAS = ("Mistral", "Mixtral", "Llama", "Qwen3-MoE", "T5")
_PROMPTS = "trained prompts"
TUNERS = (
    Cell("LORA", "LORA", _targets(r=4)),
    Cell("ADALORA", "ADALORA", _targets(init_r=4, target_r=2, total_step=10, tinit=2, tfinal=2)),
    Cell("BEFT", "BEFT", _outputs(), refused="no bias", only=_NO_BIAS),
    Cell("BOFT", "BOFT", _targets(boft_block_size=4)),
    Cell("C3A", "C3A", _targets(block_size=16)),
    Cell("DEFT", "DEFT", _targets()),
    Cell("DELORA", "DELORA", _targets(r=4)),
    Cell("FOURIERFT", "FOURIERFT", _targets(n_frequency=50)),
    Cell("FROD", "FROD", _targets()),
    Cell("GLORA", "GLORA", _targets()),
    Cell("GRALORA", "GRALORA", _targets(r=4, gralora_k=2)),
    Cell("HIRA", "HIRA", _targets(r=4)),
    Cell("HRA", "HRA", _targets(r=4)),
    Cell("IA3", "IA3", _ia3),
    Cell("LN_TUNING", "LN_TUNING", lambda family: {"target_modules": list(family.norms)}),
    Cell("LOHA", "LOHA", _targets(r=4)),
    Cell("LOKR", "LOKR", _targets(r=4)),
    Cell("MISS", "MISS", _targets(r=4)),
    Cell("OFT", "OFT", _targets(oft_block_size=8, r=0)),
    Cell("OSF", "OSF", _targets()),
    Cell("PEANUT", "PEANUT", _targets(r=4)),
    Cell("PSOFT", "PSOFT", _targets(r=4)),
    Cell("PVERA", "PVERA", _targets(r=4)),
    Cell("RANDLORA", "RANDLORA", _targets(r=4, randlora_alpha=16)),
    Cell("ROAD", "ROAD", _targets(group_size=8)),
    Cell("SHIRA", "SHIRA", _targets(r=4)),
    Cell("SUPERTUNING", "SUPERTUNING", _targets()),
    Cell("TINYLORA", "TINYLORA", _targets()),
    Cell(
        "TRAINABLE_TOKENS",
        "TRAINABLE_TOKENS",
        lambda family: {"target_modules": [family.embedding], "token_indices": [5, 9]},
        refused="encoder and decoder share",
        only=("T5",),
    ),
    Cell("UNILORA", "UNILORA", _targets(r=4)),
    Cell("VBLORA", "VBLORA", _targets(r=4, vector_length=16, num_vectors=32, topk=2)),
    Cell("VERA", "VERA", _targets(r=8)),
    Cell("WAVEFT", "WAVEFT", _targets(n_frequency=50)),
    Cell("HRA, apply_GS", "HRA", _targets(r=4, apply_GS=True)),
    Cell("LOKR, decompose_both", "LOKR", _targets(r=4, decompose_both=True)),
    Cell("MISS, bat", "MISS", _outputs(init_weights="bat", r=4)),
    Cell("MISS, mini", "MISS", _targets(init_weights="mini", r=4, mini_r=4)),
    Cell("OFT, coft", "OFT", _targets(oft_block_size=8, r=0, coft=True, eps=0.5, use_cayley_neumann=False)),
    Cell("RANDLORA, sparse", "RANDLORA", _targets(r=4, randlora_alpha=16, sparse=True)),
    Cell("VERA, save_projection=False", "VERA", _targets(r=8, save_projection=False)),
    Cell("LILY", "LILY", _targets(r=4), refused="no merged form"),
    Cell("POLY", "POLY", _targets(r=4, n_tasks=2), refused="for each task"),
    Cell("SHADOW", "SHADOW", _targets(), refused="second model"),
    Cell("ADAPTION_PROMPT", "ADAPTION_PROMPT", lambda _: {"adapter_len": 4, "adapter_layers": 1}, refused=_PROMPTS),
    Cell("CARTRIDGE", "CARTRIDGE", _prompt(), refused=_PROMPTS),
    Cell(
        "CPT",
        "CPT",
        lambda _: {"cpt_token_ids": [1, 2], "cpt_mask": [1, 1], "cpt_tokens_type_mask": [1, 2]},
        refused=_PROMPTS,
    ),
    Cell("PROMPT_TUNING", "PROMPT_TUNING", _prompt(), refused=_PROMPTS),
    Cell("MULTITASK_PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", _prompt(num_tasks=2), refused=_PROMPTS),
    Cell("P_TUNING", "P_TUNING", _prompt(encoder_hidden_size=8), refused=_PROMPTS),
    Cell("PREFIX_TUNING", "PREFIX_TUNING", _prompt(), refused=_PROMPTS),
)
# Kinds that cannot be made here: one needs scikit-learn, the other loads adapters that were trained before.
NOT_MADE = ("ADAMSS", "XLORA")


def _lora(name: str, settings: Settings | dict[str, Any], **more: Any) -> Cell:
    chosen = settings if callable(settings) else lambda _: settings
    return Cell(name, "LORA", lambda family: _targets(r=4, lora_alpha=8)(family) | chosen(family), **more)


def _with_embedding(**more: Any) -> Settings:
    return lambda family: {"target_modules": [family.linear[0], family.embedding]} | more


def _block_diagonal(family: Family) -> dict[str, Any]:
    outputs, others = list(family.outputs), [name for name in family.linear if name not in family.outputs]
    return {"use_bdlora": peft.BdLoraConfig(target_modules_bd_a=outputs, target_modules_bd_b=others, nblocks=2)}


def _patterns(family: Family) -> dict[str, Any]:
    return {"rank_pattern": {family.linear[0]: 2}, "alpha_pattern": {family.linear[1]: 3}}


def _parameters(family: Family) -> dict[str, Any]:
    return {"target_parameters": [f"{family.linear[0]}.weight"], "target_modules": [family.linear[1]]}


_SHARED: dict[str, Any] = {"refused": "encoder and decoder share", "only": ("T5",)}
OPTIONS = (
    _lora("use_rslora", {"use_rslora": True}),
    _lora("use_dora", {"use_dora": True}),
    _lora("use_dora, all-linear", {"use_dora": True, "target_modules": "all-linear"}),
    _lora("rank_pattern, alpha_pattern", _patterns),
    _lora("bias=all", {"bias": "all"}),
    _lora("lora_bias", {"lora_bias": True}, refused="no bias"),
    _lora("exclude_modules", lambda family: {"exclude_modules": [family.linear[2]]}),
    _lora("target_modules=all-linear", {"target_modules": "all-linear"}),
    _lora("modules_to_save: head", {"modules_to_save": ["lm_head"]}),
    _lora("modules_to_save: embedding", lambda family: {"modules_to_save": [family.embedding]}, **_SHARED),
    _lora("LoRA on the head", lambda family: {"target_modules": [family.linear[0], "lm_head"]}),
    _lora("LoRA on the embedding", _with_embedding(), **_SHARED),
    _lora("DoRA on the embedding", _with_embedding(use_dora=True), **_SHARED),
    _lora("ensure_weight_tying", _with_embedding(ensure_weight_tying=True), **_SHARED),
    _lora("trainable_token_indices", lambda family: {"trainable_token_indices": {family.embedding: [5, 9]}}, **_SHARED),
    _lora("target_parameters", _parameters),
    _lora("use_qalora", {"use_qalora": True, "qalora_group_size": 16}),
    _lora("kasa_config", {"kasa_config": peft.KasaConfig()}),
    _lora("velora_config", {"velora_config": peft.VeloraConfig()}),
    _lora("monteclora_config", {"monteclora_config": peft.MontecloraConfig()}),
    _lora("use_bdlora", _block_diagonal),
    _lora("alora_invocation_tokens", {"alora_invocation_tokens": [5, 6]}, refused="invocation tokens"),
    _lora("layer_replication", {"layer_replication": [(0, 2), (1, 2)]}, refused="which layers were copied"),
)  # fmt: skip


def _measure_activations(model: Model, config: LoraConfig) -> None:
    preprocess_corda(model, config, run_model=lambda: logits(model))


def _measure_gradients(model: Model, config: LoraConfig) -> None:
    preprocess_loraga(model, config, lambda: model(input_ids=TOKENS, labels=TOKENS).loss.backward())


_DATA = {"corda": _measure_activations, "lora_ga": _measure_gradients}
_DATA_SETTINGS: dict[str, dict[str, Any]] = {
    "corda": {"corda_config": CordaConfig(corda_method="ipm")},
    "lora_ga": {"lora_ga_config": peft.LoraGAConfig()},
}
_CHANGED = "cannot be made again"


def _start(start: str | bool, *, converted: bool = False, refused: str = "") -> Cell:
    settings = {"init_lora_weights": start} | _DATA_SETTINGS.get(str(start), {})
    name = f"{start}, converted" if converted else str(start)
    return replace(_lora(name, settings, refused=refused), prepare=_DATA.get(str(start)), converted=converted)


STARTS = (
    *(_start(start) for start in (True, False, "gaussian", "orthogonal", "eva", "mica", "pissa", "olora")),
    *(_start(start, refused=_CHANGED) for start in ("pissa_niter_4", "corda", "lora_ga")),
    *(_start(start, converted=True) for start in ("pissa", "pissa_niter_4", "olora", "corda", "lora_ga")),
)  # fmt: skip
# Its start needs scipy.
STARTS_NOT_MADE = ("loftq",)


def make_adapter(base: Path, family: Family, cell: Cell, folder: Path) -> PeftModel:
    """Make the adapter with peft, move all that it trains, save it as peft does, and return the trained model."""
    torch.manual_seed(3)
    model = load(base)
    config_class: type[PeftConfig] = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(cell.kind)]
    config = config_class(task_type=family.task, **cell.settings(family))
    if cell.prepare:
        cell.prepare(model, config)
    tuned = get_peft_model(model, config)
    start = str(folder.with_name(f"{folder.name}-start")) if cell.converted else None
    if start:
        tuned.save_pretrained(start)
    _stir(tuned)
    tuned.save_pretrained(folder, path_initial_model_for_weight_conversion=start)
    return tuned


def _stir(tuned: PeftModel) -> None:
    """Move everything that is trained, in place, as peft's tied parameters are one."""
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))


def cannot_be_made(cell: Cell, family: str) -> str:
    """Return why peft cannot train this on this family, or an empty string."""
    if cell.kind == "ADAPTION_PROMPT" and family not in ("Mistral", "Llama"):
        return "peft offers it for Llama and Mistral"
    if family == "T5" and cell.name in ("CPT", "layer_replication"):
        return "peft offers it for decoders alone"
    return ""
