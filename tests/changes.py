"""Sources of functions of a user, each with a place, @, where a change is made.

Each defines `model`, and may import `helper`, whose source is HELPER or follows "---".
"""

HELPER = """
import functools
GAIN = @
SETTINGS = {"gain": [@]}
def scale(X): return X * GAIN
class Scale:
    gain = @
    def __call__(self, X): return X * self.gain
scaler = Scale()
"""

FOLLOWED = {
    "body": "def model(X): return X * @",
    "operator": "def model(X): return X * 2 if @ > 1 else X / 2",
    "default": "def model(X, gain=@): return X * gain",
    "default of a keyword": "def model(X, *, gain=@): return X * gain",
    "order of parameters": """
def inner(*, a, b): return a
def model(X): return gained(X, b=1.5) * 1
def gained(X, a=1, b=1): return X * (a if @ == 1 else b)""",
    "names of parameters": "\n".join(
        [
            "if @ == 1:",
            "    def minus(a, b): return a - b",
            "else:",
            "    def minus(b, a): return b - a",
            "def model(X): return minus(a=X, b=1)",
        ]
    ),
    "closure": """
def make(gain): return lambda X: X * gain
model = make(@)""",
    "closure of a closure": """
def make(gain):
    def inner(X): return X * gain
    return lambda X: inner(X)
model = make(@)""",
    "global": "GAIN = @\ndef model(X): return X * GAIN",
    "global of a global function": """
GAIN = @
def scale(X): return X * GAIN
def model(X): return scale(X)""",
    "global of an inner function": """
GAIN = @
def model(X): return [(lambda x: x * GAIN)(x) for x in X][0]""",
    "global container": "G = {'a': [0, (@,)]}\ndef model(X): return X * G['a'][1][0]",
    "global array": """
import numpy as np
G = np.array([@])
def model(X): return X * G""",
    "attribute of a function": "def model(X): return X * model.gain\nmodel.gain = @",
    "class attribute": """
class Gain: value = @
def model(X): return X * Gain.value""",
    "class attribute by way of an instance": """
class Model:
    gain = @
    def __call__(self, X): return X * self.gain
model = Model()""",
    "attribute of an instance": """
class Model:
    def __init__(self, gain): self.gain = gain
    def __call__(self, X): return X * self.gain
model = Model(@)""",
    "slot": """
class Model:
    __slots__ = ("gain",)
    def __init__(self, gain): self.gain = gain
    def __call__(self, X): return X * self.gain
model = Model(@)""",
    "static method": """
class Gain:
    @staticmethod
    def of(X): return X * @
def model(X): return Gain.of(X)""".replace("@staticmethod", "\u0001staticmethod"),
    "class method": """
class Gain:
    \u0001classmethod
    def of(cls, X): return X * @
model = Gain.of""",
    "property": """
class Model:
    \u0001property
    def gain(self): return @
    def __call__(self, X): return X * self.gain
model = Model()""",
    "cached property": """
import functools
class Model:
    \u0001functools.cached_property
    def gain(self): return @
    def __call__(self, X): return X * self.gain
model = Model()""",
    "descriptor of the user": """
class Gain:
    def __get__(self, one, kind): return @
class Model:
    gain = Gain()
    def __call__(self, X): return X * self.gain
model = Model()""",
    "getattr of a class": """
class Model:
    def __getattr__(self, name): return @
    def __call__(self, X): return X * self.gain
model = Model()""",
    "inherited method": """
class Base:
    def scale(self, X): return X * @
class Model(Base):
    def __call__(self, X): return self.scale(X)
model = Model()""",
    "inherited class attribute": """
class Base: gain = @
class Model(Base):
    def __call__(self, X): return X * self.gain
model = Model().__call__""",
    "mixin of a builtin": """
class Gains(dict):
    def __missing__(self, key): return @
G = Gains()
def model(X): return X * G['a']""",
    "metaclass": """
class Meta(type):
    def __call__(cls, X): return X * @
class model(metaclass=Meta): pass""",
    "nested class": """
class Model:
    class Gain: value = @
    def __call__(self, X): return X * self.Gain.value
model = Model()""",
    "dataclass": """
from dataclasses import dataclass, field
\u0001dataclass
class Model:
    gain: float = @
    others: list = field(default_factory=list)
    def __call__(self, X): return X * self.gain
def model(X): return Model()(X)""",
    "enum": """
import enum
class Gain(enum.Enum): HIGH = @
def model(X): return X * Gain.HIGH.value""",
    "named tuple": """
from typing import NamedTuple
class Gain(NamedTuple): value: float = @
def model(X): return X * Gain().value""",
    "partial": """
from functools import partial
def scale(gain, X): return X * gain
model = partial(scale, @)""",
    "partial of code": """
from functools import partial
def scale(shift, X): return X * @ + shift
model = partial(scale, 0)""",
    "partial method": """
from functools import partialmethod
class Model:
    def scale(self, X, gain): return X * gain
    __call__ = partialmethod(scale, gain=@)
model = Model()""",
    "lru_cache": """
from functools import lru_cache
\u0001lru_cache
def gain(): return @
def model(X): return X * gain()""",
    "singledispatch": """
from functools import singledispatch
\u0001singledispatch
def scale(X): return X * @
def model(X): return scale(X)""",
    "decorator": """
import functools
def scaled(function):
    \u0001functools.wraps(function)
    def wrapper(X): return function(X) * @
    return wrapper
\u0001scaled
def model(X): return X""",
    "decorated function": """
import functools
def plain(function):
    \u0001functools.wraps(function)
    def wrapper(X): return function(X)
    return wrapper
\u0001plain
def model(X): return X * @""",
    "wrapper of an installed function": """
import functools, numpy as np
GAIN = @
\u0001functools.wraps(np.linalg.norm)
def model(X): return X * GAIN""",
    "contextmanager": """
from contextlib import contextmanager
\u0001contextmanager
def gain(): yield @
def model(X):
    with gain() as g: return X * g""",
    "lambda in a dict": """
STEPS = {'scale': lambda X: X * @}
def model(X): return STEPS['scale'](X)""",
    "order of a dict": """
STEPS = {'a': lambda X: X + 1, 'b': lambda X: X * 2}
if @ > 1: STEPS = dict(reversed(STEPS.items()))
def model(X):
    for step in STEPS.values(): X = step(X)
    return X""",
    "bound method of another class": """
from types import MethodType
class Model: pass
def scale(self, X): return X * @
one = Model()
one.scale = MethodType(scale, one)
def model(X): return one.scale(X)""",
    "set": """
G = {'a', 'b', 'c', 7, frozenset({'d', 'e'}), @ * 1.5}
def model(X): return X * (1 if 1.5 in G else 3)""",
    "name that a string gives": """
import operator
class Model:
    gain = @
    def __call__(self, X): return X * getattr(self, "ga" + "in")
model = Model()""",
    "constant of a module": "import helper\ndef model(X): return X * helper.GAIN",
    "constant of a module, by name": """
from helper import GAIN
def model(X): return X * GAIN""",
    "function of a module": "import helper\ndef model(X): return helper.scale(X)",
    "function of a module, by name": """
from helper import scale as model""",
    "class of a module": "import helper\ndef model(X): return helper.Scale()(X)",
    "instance of a module": "from helper import scaler as model",
    "container of a module": """
import helper as h
def model(X): return X * h.SETTINGS['gain'][0]""",
    "import in a function": """
def model(X):
    import helper
    return X * helper.GAIN""",
    "import of a name in a function": """
def model(X):
    from helper import GAIN
    return X * GAIN""",
    "getattr of a module": """
import helper
NAME = "GA"
def model(X): return X * getattr(helper, NAME + "IN")""",
    "vars of a module": """
import helper
def model(X): return X * vars(helper)["GAIN"]""",
    "dict of a module": """
import helper
def model(X): return X * helper.__dict__["GAIN"]""",
    "module in a container": """
import helper
MODULES = [helper]
def model(X): return [X * one.GAIN for one in MODULES][0]""",
    "module as an attribute": """
import helper
class Model:
    def __init__(self): self.module = helper
    def __call__(self, X): return self.module.scale(X)
model = Model()""",
    "getattr of the module itself": """
import helper
def model(X): return X * helper.anything
---
def __getattr__(name): return @""",
    "replaced function of an installed module": """
import json
import helper
json.gain_of_test = helper.scale
def model(X): return json.gain_of_test(X)""",
    "environment variable": """
import os
os.environ["GAIN_OF_TEST"] = "@"
def model(X): return X * float(os.environ["GAIN_OF_TEST"])""",
    "environment variable, by getenv": """
from os import environ, getenv
NAME = "GAIN_OF_TEST"
environ[NAME] = "@"
def model(X): return X * float(getenv(NAME, 1))""",
    "file": """
with open("gain.txt", "w") as file: file.write("@")
def model(X):
    with open("gain.txt") as file: return X * float(file.read())""",
    "file, by a constant path": """
from pathlib import Path
PATH = Path("gain.txt")
PATH.write_text("@")
def model(X): return X * float(PATH.read_text())""",
    "random state": """
import numpy as np
G = np.random.default_rng(@)
def model(X): return X * G.spawn(1)[0].random()""",
}

REFUSED = {
    "globals": "GAIN = @\ndef model(X): return X * globals()['GA' + 'IN']",
    "eval": "GAIN = @\ndef model(X): return X * eval('GAIN')",
    "exec": """
GAIN = @
def model(X):
    found = {}
    exec('from ' + __name__ + ' import GAIN', found)
    return X * found['GAIN']""",
    "import by name": """
import importlib
def model(X): return X * importlib.import_module('hel' + 'per').GAIN""",
    "import by name, renamed": """
from importlib import import_module as load
class Model:
    def __call__(self, X): return X * load('hel' + 'per').GAIN
model = Model()""",
    "__import__": "def model(X): return X * __import__('hel' + 'per').GAIN",
    "sys.modules": """
import sys, helper
def model(X): return X * sys.modules['hel' + 'per'].GAIN""",
    "partial of eval": """
from functools import partial
find = partial(eval, 'GAIN')
GAIN = @
def model(X): return X * find(globals())""",
    "generator": """
def ones():
    while True: yield @
G = ones()
def model(X): return X * next(G)""",
}
