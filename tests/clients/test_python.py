"""Calls in Python code, read by toolgate and by Python's own parser: the same calls, on generated programs.

The oracle is written after the rules that `docs/DIALECTS.md` gives, on the tree that `ast` makes: what is a statement,
a string or a number is Python's to say.
"""

import ast
import json
import random
import subprocess

import pytest

from conftest import TOOLGATE

TOOLS = {
    # Its arguments are whatever is written.
    "look": {"type": "object", "additionalProperties": True},
    "write": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "text": {"type": "string"}, "mode": {}},
        "required": ["path"],
        "additionalProperties": False,
    },
}
PROGRAMS = 3000


class NoLiteral(Exception):
    pass


def literal(node, names):
    """What an expression says, as JSON has it."""
    read = lambda node: literal(node, names)
    match node:
        case ast.Constant(value=str()):
            # A pair of surrogates is one character in JSON.
            return node.value.encode("utf-16", "surrogatepass").decode("utf-16")
        case ast.Constant(value=bool() | None | int() | float()):
            return node.value
        case ast.JoinedStr(values=values) if all(isinstance(value, ast.Constant) for value in values):
            return "".join(value.value for value in values)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            value = read(operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            left, right = read(left), read(right)
            is_number = all(type(value) in (int, float) for value in (left, right))
            is_text = isinstance(node.op, ast.Add) and all(isinstance(value, str) for value in (left, right))
            if is_number or is_text:
                operations = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__"}
                if is_number and float in (type(left), type(right)):
                    left, right = float(left), float(right)
                return getattr(left, operations[type(node.op)])(right)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [read(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            members = {}
            for key, value in zip(keys, values):
                members |= read(value) if key is None else {json.loads(json.dumps(read(key))): read(value)}
            return {key if isinstance(key, str) else json.dumps(key): value for key, value in members.items()}
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name[0].isupper() or name == "dict":
            return {word.arg: read(word.value) for word in keywords if word.arg} if all(
                word.arg for word in keywords
            ) else fail()
        case ast.Name(id=name) if name in names:
            return names[name]
    return fail()


def fail():
    raise NoLiteral


def arguments(call, names):
    """The arguments of a call."""
    tool, given = TOOLS[call.func.id], {}
    declared = list(tool.get("properties", {}))
    positional = 0
    model = ()
    match call.args, [word.arg for word in call.keywords]:
        case [ast.Call(func=ast.Name(id=name))], [] if name[0].isupper():
            model = call.args[0]
        case [], ["args"] if declared and isinstance(call.keywords[0].value, ast.Call):
            model = call.keywords[0].value
    args, keywords = (model.args, model.keywords) if model else (call.args, call.keywords)
    members = []
    for node in args:
        value = literal(node, names)
        is_all = not members and positional == 0 and isinstance(value, dict)
        if is_all and (not value or not declared or next(iter(value)) in declared):
            members += value.items()
            positional = 1
        elif positional < len(declared):
            members.append((declared[positional], value))
            positional += 1
        else:
            fail()
    for word in keywords:
        value = literal(word.value, names)
        members += [(word.arg, value)] if word.arg else value.items() if isinstance(value, dict) else fail()
    for key, value in members:
        if declared and key not in declared:
            continue
        if key in given or (key in ("path", "text") and not isinstance(value, str)):
            fail()
        given[key] = value
    if any(key not in given for key in tool.get("required", [])):
        fail()
    return given


def called(node):
    """The call that an expression makes first."""
    while True:
        match node:
            case ast.Await(value=inner) | ast.Attribute(value=inner) | ast.Subscript(value=inner):
                node = inner
            case ast.Call(func=ast.Attribute() as inner):
                node = inner
            case ast.Call(func=ast.Name(id=name)) if name in TOOLS:
                return node
            case _:
                return None


def calls(program):
    """The calls of a program, statement by statement."""
    found, names = [], {}
    for statement in ast.parse(program).body:
        target = None
        match statement:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.AST() as value):
                pass
            case ast.Expr(value=value):
                pass
            case _:
                names.clear()
                continue
        values = value.elts if isinstance(value, ast.Tuple) and any(map(called, value.elts[:1])) else [value]
        match value:
            case ast.Call(func=ast.Name(id="print"), args=args, keywords=[]):
                values = [arg for arg in args if called(arg)]
        try:
            made = [call for call in map(called, values) if call]
            if made:
                # They are made one by one, up to one that is none.
                found.extend((call.func.id, arguments(call, names)) for call in made)
                names.pop(target, None)
            elif target:
                names[target] = literal(value, names)
            elif values:
                names.clear()
        except NoLiteral:
            names.clear()
    return found


class Writer:
    """Programs as models write them, and as they should not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.names = []

    def pick(self, *choices):
        return self.random.choice(choices)

    def text(self):
        parts = ["a", "Rome", " ", "é", "😀", "'", '"', "\\", "\n", "#", "(", ")", "{", "}", ",", "```", "look(", "\t", "x=1"]
        value = "".join(self.random.choices(parts, k=self.random.randrange(6)))
        style = self.pick("repr", "double", "long", "raw", "joined", "f", "added")
        if style == "repr":
            return repr(value)
        if style == "double":
            return json.dumps(value, ensure_ascii=self.pick(True, False)).replace("\\/", "/")
        if style == "raw" and not any(c in value for c in "\\\n\"'"):
            return self.pick("r", "R") + repr(value)
        if style == "joined":
            return repr(value) + self.pick(" ", "") + json.dumps("b")
        if style == "added":
            return f"({value!r} + {'c'!r})"
        if style == "f":
            return "f" + repr(value.replace("{", "{{").replace("}", "}}"))
        if "\n```" in value:
            # In what is no call such a line ends the fence.
            return repr(value)
        quotes = self.pick('"""', "'''")
        escaped = value.replace("\\", "\\\\").replace(quotes[0], "\\" + quotes[0])
        return quotes + escaped + quotes

    def value(self, depth=0):
        kind = self.random.randrange(12 if depth < 3 else 6)
        inner = lambda: self.value(depth + 1)
        several = lambda: [inner() for _ in range(self.random.randrange(4))]
        match kind:
            case 0 | 1:
                return self.text()
            case 2:
                return self.pick("0", "1_000", "-5", "+7", "0x1F", "0b101", "2 * 3", "10 - 4")
            case 3:
                return self.pick("1.5", "-2.25", "1e3", ".5", "2.")
            case 4:
                return self.pick("True", "False", "None")
            case 5:
                return self.pick(*self.names) if self.names else "1"
            case 6:
                return "[" + ", ".join(several()) + self.pick("", "\n    ") + "]"
            case 7:
                return "(" + "".join(item + ", " for item in several()) + ")"
            case 8:
                return "{" + ", ".join(f"{self.text()}: {value}" for value in several()) + "}"
            case 9:
                return "Place(" + ", ".join(f"k{at}={value}" for at, value in enumerate(several())) + ")"
            case 10:
                return self.pick("other(1)", "x.y", "[i for i in x]", "1 if x else 2", "f'{x}'", "lambda: 1", "a < b")
            case _:
                return "dict(" + ", ".join(f"k{at}={value}" for at, value in enumerate(several())) + ")"

    def call(self):
        between = self.pick(", ", ",", ",\n    ", " , ", ",  # so, (\n ")
        if self.pick(True, False):
            written = [f"k{at}={self.value()}" for at in range(self.random.randrange(4))]
            return f"look({between.join(written)})"
        path = self.pick("path=", "", "path = ") + self.text()
        written = [path, *(f"text={self.text()}" for _ in range(self.random.randrange(2)))]
        if self.pick(True, False, False):
            written.append(f"mode={self.value()}")
        inside = between.join(written)
        return self.pick(
            f"write({inside})",
            f"write(WriteModel({inside}))",
            f"write(args=WriteModel({inside}))",
            f"write( {inside}{self.pick('', ',')} )",
            f"write({{'path': {self.text()}, \"mode\": {self.value()}}})",
            f"write(**{{'path': {self.text()}}})",
        )

    def statement(self):
        match self.random.randrange(14):
            case 0:
                return self.pick("# a comment with look(k=1)", "import json", "from tools import look, write", "", "pass")
            case 1 | 2:
                name = self.pick("a", "b", "city")
                self.names.append(name)
                return f"{name}{self.pick(' = ', '=', ': str = ')}{self.value()}"
            case 3:
                return self.pick(
                    f"def f():\n    {self.call()}\n    return 1",
                    f"if True:\n    {self.call()}",
                    f"for i in range(3):\n    pass\n\n    {self.call()}",
                    f"with open('x') as y:\n    {self.call()}",
                    f"x = [\n{self.call()}\n]",
                    f"other({self.call()})",
                    "x += 1",
                    "print('done')",
                )
            case 4:
                return f"print({self.call()})"
            case 5:
                return f"{self.pick('r', 'result: dict')} = {self.call()}"
            case 6:
                return f"{self.call()}; {self.call()}"
            case 7:
                return f"{self.call()}{self.pick('.x', '[0]', '.get(1)[2]', '  # so', ', ' + self.call())}"
            case _:
                return self.call()

    def program(self):
        return "\n".join(self.statement() for _ in range(1 + self.random.randrange(6)))


def programs():
    """Programs that Python can parse, each with its oracle's answer."""
    seed = 0
    while seed < PROGRAMS:
        program = Writer(seed).program()
        seed += 1
        try:
            yield program, calls(program)
        except (SyntaxError, OverflowError):
            continue


def test_calls_are_those_that_pythons_own_parser_finds():
    tools = [{"type": "function", "function": {"name": name, "parameters": TOOLS[name]}} for name in TOOLS]
    cases, lines = list(programs()), []
    for at, (program, _) in enumerate(cases):
        cut = random.Random(at)
        fence = cut.choice(["```python\n", "Sure.\n```py\n", "```\n"])
        text = fence + program + cut.choice(["\n```", "\n```\nDone."])
        cuts = sorted(cut.sample(range(len(text)), min(len(text), 4)))
        chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)])]
        lines.append(json.dumps({"id": at, "dialect": "python-code", "tools": tools, "chunks": chunks}))
    run = subprocess.run(
        [TOOLGATE, "decode", "--jsonl"], input="\n".join(lines).encode(), capture_output=True, timeout=300
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(cases) > PROGRAMS * 0.9, run.stderr
    assert sum(len(found) for _, found in cases) > PROGRAMS, "the generator makes too few calls"
    for (program, expected), answer in zip(cases, answers):
        found = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in answer["tool_calls"] or []]
        assert found == expected, f"\n{program}\n{answer}"
