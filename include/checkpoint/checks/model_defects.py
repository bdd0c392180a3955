"""Defects of the configuration, the tensors as a model, and the tokenizer."""

from __future__ import annotations

from include.checkpoint.files.defects import NORMALISE, Defect
from include.service.limits import TRANSFORMERS


class ModelTypeMissingError(Defect):
    summary = "config.json does not say which model this is"
    cure = "Set model_type, or save the configuration with save_pretrained."


class ArchitectureUnsupportedError(Defect):
    summary = "Bedrock does not import this architecture"
    cure = "Fine-tune a model of a supported architecture."


class ArchitectureClassError(Defect):
    summary = "Bedrock imports another class of this architecture"
    cure = "Save the model with its language-model head (…ForCausalLM)."


class QuantizedError(Defect):
    summary = "The weights are quantized"
    cure = "Merge into the 16-bit base model and save without quantization."


class QuantizationLeftOverError(Defect):
    summary = "The weights are not quantized, but config.json still has the quantization_config of their training"
    cure = NORMALISE


class ContextTooLongWarning(Defect):
    severity = "warning"
    summary = "The context is longer than Bedrock documents"
    cure = "Lower max_position_embeddings if the import is refused."


class ConfigRopeIgnoredError(Defect):
    summary = f"{TRANSFORMERS} does not read rope_parameters and would use its defaults"
    cure = NORMALISE


class RopeFactorIgnoredWarning(Defect):
    severity = "warning"
    summary = f"{TRANSFORMERS} ignores YaRN's factor and computes it from max_position_embeddings"
    cure = "If the model is to stretch its context, set max_position_embeddings to the value expected here."


class RopeScalingReplacedWarning(Defect):
    severity = "warning"
    summary = "Bedrock serves Llama 3 with a rope_scaling of its own, not with the one of config.json"
    cure = "Evaluate the imported model, not the files: its answers differ, the longer the prompt the more."


class ConfigDtypeIgnoredError(Defect):
    summary = f"{TRANSFORMERS} does not read dtype and would load float32"
    cure = NORMALISE


class ConfigDtypeMissingWarning(Defect):
    severity = "warning"
    summary = "config.json does not say the weights' dtype"
    cure = NORMALISE


class ConfigDtypeError(Defect):
    summary = "The dtype in config.json is not one that Bedrock imports"
    cure = "Set torch_dtype to bfloat16, float16 or float32."


class ConfigDtypeMismatchWarning(Defect):
    severity = "warning"
    summary = "config.json names another dtype than the weights have"
    cure = "Set torch_dtype to the dtype of the weights."


class ConfigUnusableError(Defect):
    summary = f"{TRANSFORMERS} cannot build the model from config.json"
    cure = "Take config.json from the base model, or save it again."


class ConfigCountError(Defect):
    summary = "config.json asks for more parts than there are tensors"
    cure = "Take config.json from the base model."


class RemoteCodeWarning(Defect):
    severity = "warning"
    summary = "config.json refers to custom code, which Bedrock does not run"
    cure = "Use the architecture of transformers itself."


class ArchitectureUncheckedWarning(Defect):
    severity = "warning"
    summary = f"{TRANSFORMERS} does not know this architecture, so names and shapes are not checked"
    cure = "Check that the model loads with the version that knows it."


class TensorMissingError(Defect):
    summary = "A tensor of the model is in no file"
    cure = "Save the whole model again; part of it was left out."


class TensorUnexpectedError(Defect):
    summary = "The files hold a tensor that the model does not have"
    cure = "Check that config.json belongs to these weights, and that adapters are merged."


class TensorsWrappedError(Defect):
    summary = "The tensors' names have the prefix of a wrapper that the model was saved through"
    cure = NORMALISE


class TensorShapeError(Defect):
    summary = "A tensor has another shape than the model's"
    cure = "Check that config.json belongs to these weights."


class VocabularySizeError(Defect):
    summary = "The embedding has another number of rows than vocab_size"
    cure = "Set vocab_size to the rows of the embedding, or save the model after resizing it."


class HeadMissingError(Defect):
    summary = "There is no output head, and config.json says that it is not the embedding"
    cure = "Set tie_word_embeddings to true if they were tied, or save the model again with its head."


class HeadDroppedError(Defect):
    summary = "The trained output head would be dropped, since config.json ties it to the embedding"
    cure = "Set tie_word_embeddings to false."


class DtypeUnsupportedError(Defect):
    summary = "A tensor has a dtype that Bedrock does not import"
    cure = "Save the model in bfloat16, float16 or float32."


class DtypesMixedWarning(Defect):
    severity = "warning"
    summary = "The weights are of several dtypes"
    cure = "Save the model in one dtype."


class WeightsTooLargeError(Defect):
    summary = "The weights are larger than Bedrock imports"
    cure = "Save in 16 bits, or use a smaller model."


class NonFiniteError(Defect):
    summary = "A tensor holds NaN or infinity"
    cure = "Go back to an earlier checkpoint of the training, or to bfloat16."


class AdapterUnmergedError(Defect):
    summary = "The files hold an adapter that is not merged"
    cure = "Merge it first: python -m include.checkpoint merge."


class TokenizerMissingError(Defect):
    summary = "There is no tokenizer"
    cure = "Copy tokenizer.json or tokenizer.model from the base model; normalise makes them from tekken.json."


class TokenizerConfigMissingError(Defect):
    summary = "There is no tokenizer_config.json"
    cure = "Copy it from the base model."


class TokenizerClassError(Defect):
    summary = "Bedrock does not load this tokenizer class"
    cure = NORMALISE


class SpecialTokensListError(Defect):
    summary = f"{TRANSFORMERS} does not load extra_special_tokens as a list"
    cure = NORMALISE


class TokenizerUnusableError(Defect):
    summary = f"{TRANSFORMERS} cannot load the tokenizer"
    cure = "Take the tokenizer's files from the base model, all of one version."


class TokenIdOutOfRangeError(Defect):
    summary = "The tokenizer has ids that the embedding has no rows for"
    cure = "Resize the embedding before training, or take the base model's tokenizer."


class TokenizerEndsPromptsError(Defect):
    summary = "The tokenizer ends every prompt with the end token, after which the model has nothing to say"
    cure = NORMALISE


class ProcessorJoinedError(Defect):
    summary = f"{TRANSFORMERS} does not read an image processor from this file, and fails on it"
    cure = NORMALISE


class ImageProcessorMissingWarning(Defect):
    severity = "warning"
    summary = "There is no image processor, so requests with images will not work"
    cure = "Copy preprocessor_config.json from the base model."


class ImageProcessorUnusableError(Defect):
    summary = f"{TRANSFORMERS} cannot load the image processor"
    cure = "Take preprocessor_config.json from the base model."


class ImageSizeIgnoredWarning(Defect):
    severity = "warning"
    summary = f"{TRANSFORMERS} ignores the sizes of the image processor and uses its own"
    cure = NORMALISE


class ChatTemplateInvalidError(Defect):
    summary = f"{TRANSFORMERS} cannot render the chat template"
    cure = "Take the chat template from the base model."


class ChatTemplateLimitedWarning(Defect):
    severity = "warning"
    summary = "The chat template does not render every kind of chat"
    cure = "Send chats of other kinds only, or extend the chat template."


class ChatTemplatePartsWarning(Defect):
    severity = "warning"
    summary = "The chat template renders messages whose content is a list of parts only"
    cure = "Send content as a list of parts, or take the chat template from the base model."


class ChatTemplateMissingWarning(Defect):
    severity = "warning"
    summary = "There is no chat template, so chat requests and Converse will not work"
    cure = "Set chat_template in tokenizer_config.json if the model chats."


class ChatTemplateOutsideWarning(Defect):
    severity = "warning"
    summary = "The chat template is in a separate file, which Converse may not find"
    cure = NORMALISE


class ChatTemplateTwiceWarning(Defect):
    severity = "warning"
    summary = "The chat template is in two places, where Bedrock documents one"
    cure = NORMALISE


class GenerationConfigMissingWarning(Defect):
    severity = "warning"
    summary = "There is no generation_config.json"
    cure = "Copy it from the base model; without an end token answers run to their limit."


class GenerationConfigUnusableError(Defect):
    summary = f"{TRANSFORMERS} cannot load the generation settings, and so not the model"
    cure = "Correct the named fields, or take generation_config.json from the base model."


class GenerationSettingsRefusedError(Defect):
    summary = f"{TRANSFORMERS} loads the model, but does not generate with these settings"
    cure = "Correct the named field, or take generation_config.json from the base model."


class GenerationConfigWarning(Defect):
    severity = "warning"
    summary = f"{TRANSFORMERS} warns of the generation settings"
    cure = "Correct the named field if it is not meant so."


class EndTokenMissingWarning(Defect):
    severity = "warning"
    summary = "No end-of-sequence token is set, so answers run to their limit"
    cure = "Set eos_token_id in generation_config.json."


class SpecialIdOutOfRangeError(Defect):
    summary = "A special token's id is not in the vocabulary"
    cure = "Set it to an id below vocab_size."


class EndTokenMismatchWarning(Defect):
    severity = "warning"
    summary = "The model and its tokenizer end with different tokens"
    cure = "Set eos_token_id in generation_config.json to the tokenizer's."


class EndTokensIncompleteWarning(Defect):
    severity = "warning"
    summary = "End tokens are missing that Bedrock documents for this architecture, so answers run to their limit"
    cure = "Set eos_token_id in generation_config.json to the list expected here."


class LoadFailedError(Defect):
    summary = f"{TRANSFORMERS} does not load the checkpoint, or cannot compute with it"
    cure = "Correct what is named, or save the model again where it was trained."


class LoadNotFinishedError(Defect):
    summary = f"{TRANSFORMERS} did not finish loading the checkpoint"
    cure = "Give the process more memory, or validate without --load."
