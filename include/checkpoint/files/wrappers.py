"""Prefixes that module wrappers add to tensor names. No wrapper changes what the module computes."""

from __future__ import annotations

#: Parts of a name that are a wrapper's at any place → what adds them.
WRAPPERS = {
    "_orig_mod": "torch.compile",
    "_fsdp_wrapped_module": "FSDP",
    "_checkpoint_wrapped_module": "activation checkpointing",
    "_forward_module": "DeepSpeed",
}
#: A model may have a part with this name; it is a wrapper's only at the root of a name.
ROOT_WRAPPER = "module"
ROOT_WRAPPER_ORIGIN = "DDP or DeepSpeed"
