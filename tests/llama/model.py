"""Makes a tiny GGUF that says by heart what `scripts` holds, so that a real llama-server can be tested.

No trained weights are involved: the output matrix is a table from each token to the next.
Every token of every text is unique in the vocabulary, so the newest token alone decides what follows.
The model's chat template looks for [[NAME]] in the messages and ends the prompt with the token that begins NAME.

    model.py FILE                 everything in `SCRIPTS` and `LOOPS`
    model.py FILE noise           noise, in which `ENDINGS` come a little sooner than other tokens
    model.py FILE MODEL           what MODEL of `FAMILIES` says
    model.py FILE MODEL LAYERS WIDTH   the same, slowly: so many layers with so wide a middle, which add nothing
"""

import random
import re
import sys

import gguf
import numpy as np

from families import TEMPLATES
from scripts import ENDINGS, FAMILIES, LOOPS, SCRIPTS, SIGNS, loops_of, scripts_of

WIDTH = 64
CONTEXT = 65536
# With unit vectors of this width the right token leads by some 30, enough at any sampling temperature.
GAIN = 60.0
TOKEN_BYTES_MAX = 6
# How much likelier, as a logit, an ending is than another token.
SOONER = 6.0
CONTROL = re.compile(r"<\|\w+\|>")
START, END = "<|im_start|>", "<|im_end|>"


def printable_bytes():
    """The code point that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    plain = [b for b in range(256) if chr(b).isprintable() and chr(b) != " " and not 0x7F <= b <= 0xA0]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + n) for n, b in enumerate(others)}


BYTES = printable_bytes()


def symbols(text):
    """A text as it stands in a vocabulary of bytes."""
    return "".join(BYTES[byte] for byte in text.encode())


class Vocabulary:
    def __init__(self):
        self.texts, self.kinds, self.ids = [], [], {}
        for byte in range(256):
            self.add(BYTES[byte], gguf.TokenType.NORMAL)

    def add(self, text, kind):
        assert text not in self.ids, f"two tokens are {text!r}"
        self.ids[text] = len(self.texts)
        self.texts.append(text)
        self.kinds.append(int(kind))
        return self.ids[text]

    def script(self, name):
        """The token that begins a text."""
        return self.add(f"<|script:{name}|>", gguf.TokenType.CONTROL)

    def is_free(self, text):
        """Whether a text can become a token: llama.cpp shows no token that looks like one of control."""
        return text not in self.ids and not CONTROL.fullmatch(text)

    def tokens(self, text, rng):
        """Cuts a text into new tokens of some bytes each; where all short ones are taken they grow longer.

        A cut may go through a character, but not the first: where an answer ends in half of one, the server's stream
        leaves out what stands before it, and its whole answer does not.
        """
        written, data = symbols(text), text.encode()
        found, at = [], 0
        while at < len(written):
            end = at + rng.randint(2, TOKEN_BYTES_MAX)
            while at == 0 and end < len(data) and data[end] & 0xC0 == 0x80:
                end += 1
            while not self.is_free(written[at:end]) and end < len(written):
                end += 1
            while not self.is_free(written[at:end]):  # The rest of the text is taken: the token before takes it in.
                at -= len(self.texts[found.pop()])
                end = len(written)
            found.append(self.add(written[at:end], gguf.TokenType.NORMAL))
            at = end
        return found


def picking(names):
    """The beginning of a template: sets `begin` to the token that begins the text which the last marker names."""
    pick = "".join(
        "{%- if '[[NAME]]' in said %}{%- set last.name = 'NAME' %}{%- endif %}".replace("NAME", name)
        for name in names
    )
    return (
        "{%- set last = namespace(name='text') %}"
        # For some families llama.cpp moves results to the turn that asked for them.
        "{%- for m in messages %}{%- set said = (m.content or '') ~ (m.tool_responses or '') %}" + pick + "{%- endfor %}"
        "{%- set begin = '<|script:' + last.name + '|>' %}"
    )


def chat_template(names, sign):
    """ChatML, then the token that begins the text which the last marker names.

    The sign in its comment is what a gateway knows the dialect by; the template itself reads no tools.
    """
    return (
        "{#- " + sign + " #}" + picking(names) + "{%- for m in messages %}"
        "{{- '" + START + "' + m.role + '\\n' + (m.content or '') + '" + END + "\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '" + START + "assistant\\n' + begin }}{%- endif %}"
    )


def family_template(names, family):
    """The template of a family, which writes tools and the past in its own form."""
    return picking(names) + (TEMPLATES / f"{family}.jinja").read_text()


def make(path, name, scripts, loops, sign, layers=1, middle=WIDTH, endings=()):
    rng = random.Random(1)
    vocabulary = Vocabulary()
    # The format wants at least one merge.
    merges = [f"{BYTES[32]} {BYTES[32]}"]
    vocabulary.add(BYTES[32] * 2, gguf.TokenType.NORMAL)
    start = vocabulary.add(START, gguf.TokenType.CONTROL)
    end = vocabulary.add(END, gguf.TokenType.CONTROL)

    sooner = [vocabulary.add(symbols(text), gguf.TokenType.NORMAL) for text in endings]
    follows = []
    for script, text in scripts.items():
        chain = [vocabulary.script(script), *vocabulary.tokens(text, rng), end]
        follows += zip(chain, chain[1:])
    for script, (beginning, rest) in loops.items():
        loop = vocabulary.tokens(rest, rng)
        chain = [vocabulary.script(script), *vocabulary.tokens(beginning, rng), *loop, loop[0]]
        follows += zip(chain, chain[1:])

    count = len(vocabulary.texts)
    noise = np.random.default_rng(1)
    embedding = noise.standard_normal((count, WIDTH)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    output = np.zeros((count, WIDTH), np.float32)
    if sooner:
        # What all tokens look like in part, so that it leads to these from any of them.
        embedding += np.eye(1, WIDTH, dtype=np.float32)
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        output[sooner] = np.eye(1, WIDTH, dtype=np.float32) * SOONER / np.sqrt(WIDTH)
    alike = {}
    for token, following in follows:
        # Tokens that lead to the same one look the same: a row that were a sum of many would win by chance.
        embedding[token] = embedding[alike.setdefault(following, token)]
        # The last norm makes the hidden state sqrt(WIDTH) long.
        output[following] = GAIN / np.sqrt(WIDTH) * embedding[token]

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(middle)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(WIDTH)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(count)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(start)
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(chat_template([*scripts, *loops], sign))

    square = np.zeros((WIDTH, WIDTH), np.float32)
    ones = np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", output)
    # A block adds nothing, so the hidden state is the newest token's embedding.
    for layer in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", ones)
        for matrix in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{matrix}.weight", square)
        for matrix in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"blk.{layer}.{matrix}.weight", np.zeros((middle, WIDTH), np.float32))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", np.zeros((WIDTH, middle), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    path, *of = sys.argv[1:]
    if of == ["noise"]:
        make(path, "noise", {"text": ""}, {}, SIGNS["hermes"], endings=ENDINGS)
    elif of:
        model, *size = of
        make(path, model, scripts_of(model), loops_of(model), SIGNS[FAMILIES[model]], *map(int, size))
    else:
        make(path, "toolgate-scripted", SCRIPTS, LOOPS, SIGNS["hermes"])
