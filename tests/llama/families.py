"""How families of models write their calls, in their own forms, behind some prose or none; their chat templates, small, stand in `templates`."""

import json
import pathlib

TEMPLATES = pathlib.Path(__file__).parent / "templates"
PROSE = "Let me look.\n"


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def raw(value):
    return value if isinstance(value, str) else dumps(value)


def objects(calls, name, arguments):
    return [f'{{"{name}": "get_weather", "{arguments}": {dumps(call)}}}' for call in calls]


def tagged(calls, form, parameter):
    """Each call by `form`, whose hole takes its parameters by theirs."""
    written = (["".join(parameter.format(key, raw(value)) for key, value in call.items()) for call in calls])
    return [form.format(parameters) for parameters in written]


def hermes(calls, prose=PROSE):
    return prose + "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in objects(calls, "name", "arguments"))


def mistral(calls, prose=PROSE):
    return prose + "[TOOL_CALLS] [" + ", ".join(objects(calls, "name", "arguments")) + "]"


def llama3_json(calls, _=None):
    return "; ".join(objects(calls, "name", "parameters"))


def command_a(calls, _=None):
    objects_ = objects(calls, "tool_name", "parameters")
    texts = ",\n    ".join(f'{{"tool_call_id": "{number}", {text[1:]}' for number, text in enumerate(objects_))
    return f"<|START_THINKING|>The weather.<|END_THINKING|><|START_ACTION|>[\n    {texts}\n]<|END_ACTION|>"


def deepseek_v31(calls, prose=PROSE):
    form = "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
    return f"{prose}<｜tool▁calls▁begin｜>{''.join(form.format(dumps(call)) for call in calls)}<｜tool▁calls▁end｜>"


def kimi_k2(calls, prose=PROSE):
    form = "<|tool_call_begin|>functions.get_weather:{}<|tool_call_argument_begin|>{}<|tool_call_end|>"
    texts = "".join(form.format(number, dumps(call)) for number, call in enumerate(calls))
    return f"{prose}<|tool_calls_section_begin|>{texts}<|tool_calls_section_end|>"


def qwen3_coder(calls, prose=PROSE):
    form = "<tool_call>\n<function=get_weather>\n{}</function>\n</tool_call>"
    return prose + "\n".join(tagged(calls, form, "<parameter={}>\n{}\n</parameter>\n"))


def glm(calls, prose=PROSE):
    form = "<tool_call>get_weather\n{}</tool_call>"
    return prose + "\n".join(tagged(calls, form, "<arg_key>{}</arg_key>\n<arg_value>{}</arg_value>\n"))


def deepseek_dsml(calls, prose=PROSE):
    form = '<｜DSML｜invoke name="get_weather">\n{}</｜DSML｜invoke>\n'
    texts = "".join(tagged(calls, form, '<｜DSML｜parameter name="{}" string="true">{}</｜DSML｜parameter>\n'))
    texts = texts.replace('"days" string="true"', '"days" string="false"')
    return f"{prose}\n<｜DSML｜function_calls>\n{texts}</｜DSML｜function_calls>"


def minimax_m2(calls, prose=PROSE):
    form = '<invoke name="get_weather">\n{}</invoke>\n'
    texts = "".join(tagged(calls, form, '<parameter name="{}">{}</parameter>\n'))
    return f"{prose}<minimax:tool_call>\n{texts}</minimax:tool_call>"


def gemma4(calls, prose=PROSE):
    form = '<|tool_call>call:get_weather{{city:<|"|>{city}<|"|>,days:{days}}}<tool_call|>'
    return prose + "".join(form.format(**call) for call in calls)


def lfm2(calls, _=None):
    texts = ", ".join(f'get_weather(city="{call["city"]}", days={call["days"]})' for call in calls)
    return f"<|tool_call_start|>[{texts}]<|tool_call_end|>"


def olmo3(calls, prose=PROSE):
    texts = "".join(f'get_weather(city="{call["city"]}", days={call["days"]})\n' for call in calls)
    return f"{prose}<function_calls>\n{texts}</function_calls>"


def inkling(calls, prose=PROSE):
    form = "<|message_model|>get_weather<|content_invoke_tool_json|>{}<|end_message|>"
    texts = "".join(form.format(text) for text in objects(calls, "name", "args"))
    if not prose:
        return texts.removeprefix("<|message_model|>")
    return f"<|content_text|>{prose}<|end_message|>{texts}"


WRITERS = {
    "hermes": hermes,
    "mistral": mistral,
    "llama3-json": llama3_json,
    "command-a": command_a,
    "deepseek-v3.1": deepseek_v31,
    "kimi-k2": kimi_k2,
    "qwen3-coder": qwen3_coder,
    "glm": glm,
    "deepseek-dsml": deepseek_dsml,
    "minimax-m2": minimax_m2,
    "gemma4": gemma4,
    "lfm2": lfm2,
    "olmo3": olmo3,
    "inkling": inkling,
}
