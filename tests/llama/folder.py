"""Writes the test model as Hugging Face has models, for servers that read no GGUF: folder.py GGUF FOLDER."""

import json
import pathlib
import sys

import gguf
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

# What the tensors are called there; those of a layer stand behind its number.
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYERS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def name_of(tensor):
    parts = tensor.removesuffix(".weight").split(".")
    name = NAMES[parts[0]] if len(parts) == 1 else f"model.layers.{parts[1]}.{LAYERS[parts[2]]}"
    return f"{name}.weight"


def tokenizer_of(texts, kinds, merges):
    """Bytes, and tokens that nothing written becomes, but that the model writes."""
    is_control = [kind == gguf.TokenType.CONTROL for kind in kinds]
    vocabulary = {text: number for number, text in enumerate(texts)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [tuple(merge.split()) for merge in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    controls = [text for text, control in zip(texts, is_control, strict=True) if control]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in controls])
    return tokenizer


def write(source, folder):
    reader = gguf.GGUFReader(source)
    told = {name: field.contents() for name, field in reader.fields.items()}
    texts, of = told["tokenizer.ggml.tokens"], lambda name: told[f"llama.{name}"]
    start, end = (told[f"tokenizer.ggml.{side}_token_id"] for side in ["bos", "eos"])
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": of("embedding_length"),
        "num_hidden_layers": of("block_count"),
        "intermediate_size": of("feed_forward_length"),
        "num_attention_heads": of("attention.head_count"),
        "num_key_value_heads": of("attention.head_count_kv"),
        "rms_norm_eps": of("attention.layer_norm_rms_epsilon"),
        "max_position_embeddings": of("context_length"),
        "vocab_size": len(texts),
        "tie_word_embeddings": False,
        "bos_token_id": start,
        "eos_token_id": end,
    }
    tokens = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": texts[start],
        "eos_token": texts[end],
        "chat_template": told["tokenizer.chat_template"],
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens))
    tokenizer = tokenizer_of(texts, told["tokenizer.ggml.token_type"], told["tokenizer.ggml.merges"])
    tokenizer.save(str(folder / "tokenizer.json"))
    tensors = {name_of(tensor.name): tensor.data for tensor in reader.tensors}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "mlx"})


if __name__ == "__main__":
    write(sys.argv[1], pathlib.Path(sys.argv[2]))
