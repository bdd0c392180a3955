"""Check that config.json describes a model that Bedrock imports, in fields that its transformers reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from include.checkpoint.checks import model_defects as defects
from include.checkpoint.checks.weights import Weights
from include.checkpoint.files.defects import Defect
from include.checkpoint.files.safetensors_header import STORED_DTYPES, WEIGHT_DTYPES
from include.service.limits import Architecture, Limits, RopeScaling

CONFIG = "config.json"


def config_defects(config: Mapping[str, Any], weights: Weights, limits: Limits) -> Iterator[Defect]:
    """Yield defects of config.json by itself and against the weights' dtype and size."""
    supported = limits.architectures.supported
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        yield defects.ModelTypeMissingError(CONFIG, "model_type, a name", repr(model_type))
        return
    architecture = supported.get(model_type)
    if architecture is None:
        yield defects.ArchitectureUnsupportedError(CONFIG, f"model_type one of {', '.join(supported)}", model_type)
        return
    yield from _class_defects(config, architecture)
    if not architecture.quantized:
        yield from _quantization_defects(config, weights)
    yield from _context_defects(config, limits.checkpoint.max_context)
    yield from _dtype_defects(config, weights)
    yield from _rope_defects(config)
    yield from _llama3_defects(config, limits.llama3_rope_scaling)
    largest = limits.checkpoint.max_bytes[architecture.modality]
    if weights.size >= largest:
        yield defects.WeightsTooLargeError("*.safetensors", f"less than {largest:,} bytes", f"{weights.size:,}")


def _class_defects(config: Mapping[str, Any], architecture: Architecture) -> Iterator[Defect]:
    named = config.get("architectures")
    if not (isinstance(named, list) and named and named[0] in architecture.classes):
        yield defects.ArchitectureClassError(CONFIG, " or ".join(architecture.classes), repr(named))
    if config.get("auto_map"):
        yield defects.RemoteCodeWarning(CONFIG, "no auto_map", repr(config["auto_map"]))


def _quantization_defects(config: Mapping[str, Any], weights: Weights) -> Iterator[Defect]:
    if weights.sound and is_quantization_left_over(config, weights.dtypes):
        dtypes = ", ".join(sorted(weights.dtypes))
        expected = f"no quantization_config, as all tensors are {dtypes}"
        yield defects.QuantizationLeftOverError(CONFIG, expected, repr(config["quantization_config"]))
    elif config.get("quantization_config") is not None:
        yield defects.QuantizedError(CONFIG, "no quantization_config", repr(config["quantization_config"]))


def is_quantization_left_over(config: Mapping[str, Any], dtypes: set[str]) -> bool:
    """Return whether ``config`` describes quantized weights while those of these dtypes are not.

    Every kind of quantization stores integers or 8-bit floats.
    """
    return config.get("quantization_config") is not None and bool(dtypes) and dtypes <= WEIGHT_DTYPES.keys()


def _context_defects(config: Mapping[str, Any], largest: int) -> Iterator[Defect]:
    names = ("max_position_embeddings", "n_positions")
    context = next((config[name] for name in names if isinstance(config.get(name), int)), 0)
    if context > largest:
        yield defects.ContextTooLongWarning(CONFIG, f"at most {largest} tokens", f"{context}")


def _dtype_defects(config: Mapping[str, Any], weights: Weights) -> Iterator[Defect]:
    said = config.get("torch_dtype")
    stored = {entry.entry.dtype for entry in weights.tensors.values()}
    if said is None and config.get("dtype") is not None:
        yield defects.ConfigDtypeIgnoredError(CONFIG, f"torch_dtype: {config['dtype']}", f"dtype: {config['dtype']}")
    elif said is None:
        yield defects.ConfigDtypeMissingWarning(CONFIG, "torch_dtype", "none")
    elif not isinstance(said, str) or said not in STORED_DTYPES:
        yield defects.ConfigDtypeError(CONFIG, f"torch_dtype one of {', '.join(STORED_DTYPES)}", repr(said))
    elif stored and STORED_DTYPES[said] not in stored:
        yield defects.ConfigDtypeMismatchWarning(CONFIG, f"torch_dtype of {', '.join(sorted(stored))}", said)


def _rope_defects(config: Mapping[str, Any], where: str = "") -> Iterator[Defect]:
    parameters = config.get("rope_parameters")
    if isinstance(parameters, dict):
        theta = parameters.get("rope_theta")
        if theta is not None and config.get("rope_theta") != theta:
            found = f"rope_parameters.rope_theta = {theta}, rope_theta = {config.get('rope_theta')}"
            yield defects.ConfigRopeIgnoredError(CONFIG, f"{where}rope_theta = {theta}", found)
        elif parameters.get("rope_type", "default") != "default" and not config.get("rope_scaling"):
            yield defects.ConfigRopeIgnoredError(CONFIG, f"{where}rope_scaling", f"rope_parameters = {parameters}")
    if ignored := ignored_yarn_factor(config):
        expected = f"{where}max_position_embeddings = {ignored.context}, for factor {ignored.factor:g}"
        yield defects.RopeFactorIgnoredWarning(CONFIG, expected, f"{config['max_position_embeddings']}")
    for name, value in config.items():
        if isinstance(value, dict) and name.endswith("_config"):
            yield from _rope_defects(value, f"{name}.")


def _llama3_defects(config: Mapping[str, Any], served: RopeScaling) -> Iterator[Defect]:
    """Yield a warning where Bedrock replaces the rotary embedding's parameters, also those of a nested text model."""
    for where, part in (("", config), ("text_config.", config.get("text_config"))):
        scaling = part.get("rope_scaling") if isinstance(part, Mapping) else None
        if not isinstance(scaling, Mapping) or scaling.get("rope_type", scaling.get("type")) != "llama3":
            continue
        stored = {name: scaling.get(name) for name in served.values()}
        if stored != served.values():
            expected, found = (_listed(values) for values in (served.values(), stored))
            yield defects.RopeScalingReplacedWarning(CONFIG, f"{where}rope_scaling with {expected}", found)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


class YarnFactor(NamedTuple):
    """The factor by which YaRN extends the context, and the resulting length in tokens."""

    factor: float
    context: int


def ignored_yarn_factor(config: Mapping[str, Any]) -> YarnFactor | None:
    """Return the factor in ``rope_scaling`` if Bedrock's transformers computes another one; None if it does not.

    It divides max_position_embeddings by original_max_position_embeddings, where there is one, and ignores factor.
    """
    scaling = config.get("rope_scaling")
    if not isinstance(scaling, dict) or scaling.get("rope_type", scaling.get("type")) != "yarn":
        return None
    factor: Any = scaling.get("factor")
    original: Any = scaling.get("original_max_position_embeddings")
    context = config.get("max_position_embeddings")
    if not all(isinstance(number, int | float) and number > 0 for number in (factor, original, context)):
        return None
    return None if context == factor * original else YarnFactor(factor, round(factor * original))
