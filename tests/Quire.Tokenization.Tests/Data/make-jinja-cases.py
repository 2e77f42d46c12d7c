"""Renders jinja-cases.txt with Jinja 3.1 set up as Hugging Face transformers sets it up for chat templates, into jinja-cases.json.

    python3 make-jinja-cases.py
"""
import copy
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_support")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _support(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception

CONTEXT = {
    "n": 7, "neg": -7, "big": 123456789012345678901234567890, "f": 2.5, "t": True, "u": "héllo wörld 😀!", "s": "The quick brown fox",
    "e": "", "none_value": None, "l": [3, 1, 2], "words": ["b", "A", "c", "a", "B"], "nested": [[1, 2], [3, [4, 5]]],
    "d": {"b": 1, "a": [1, 2.0, None, True], "items_": {"x": "y'z"}}, "mixed": [0, 1, "", "x", None, [], {}],
    "people": [{"name": "Ann", "age": 31, "tags": ["x"]}, {"name": "bob", "age": 25}, {"name": "Cid", "age": 31, "tags": []}],
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello\n  there", "items": "shadow"}],
    "lines": "one\ntwo\n\nthree",
}

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "jinja-cases.txt"), encoding="utf-8") as file:
    sources = [case.rstrip("\n") for case in file.read().split("\n====\n")]
rows = []
for source in sources:
    row = {"template": source}
    try:
        row["text"] = environment.from_string(source).render(**copy.deepcopy(CONTEXT))
    except jinja2.TemplateSyntaxError as error:
        row["syntax"] = error.message
        row["line"] = error.lineno
    except Exception as error:
        row["error"] = str(error)
    rows.append(row)
with open(os.path.join(here, "jinja-cases.json"), "w", encoding="utf-8") as file:
    json.dump({"context": CONTEXT, "rows": rows}, file, ensure_ascii=False, indent=0)
    file.write("\n")
