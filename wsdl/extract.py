#!/usr/bin/env python3
"""Turns pyVmomi's type tables into the schema files of this folder.

    python3 wsdl/extract.py [--pyvmomi DIR] [--check]

DIR is an installed `pyVmomi` package folder or a pyVmomi wheel; without it the package is looked for in this
interpreter's site-packages, at the version that provenance.toml pins. The tables are read as text with `ast`: nothing of
pyVmomi is imported or run. Output is deterministic; `--check` only says whether the files on disk are current.

The format of a `.schema` file, one fact a line, words separated by blanks:

    namespace NAME URN
    version WIRE-ID VMODL-NAME                              oldest first; a line's number is the version's ordinal
    enum NAME SINCE VALUE ...
    data NAME BASE SINCE
     prop NAME TYPE SINCE [optional] [link] [linkable] [secret]
    managed NAME BASE SINCE
     prop NAME TYPE SINCE [optional] [...] [priv=P]
     method WIRE-NAME SINCE vmodl=TYPE.NAME returns=TYPE [optional] [task=TYPE] [priv=P] [faults=F,...]
      param NAME TYPE SINCE [optional] [...] [priv=P]

A TYPE is a primitive (`string`, `int`, `dateTime`, `any` ...), the wire name of a data type or enum, or `&` and the name of
a managed object (a reference); `[]` behind it makes it a list; `ns:` before it names another namespace.
"""

import argparse
import ast
import hashlib
import pathlib
import sys
import sysconfig
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent

# Schema file, the wire namespace's short name and URN, and the pyVmomi modules that hold it.
NAMESPACES = [
    ("vim25", "urn:vim25", ["core", "query", "vim"]),
    ("pbm", "urn:pbm", ["pbm"]),
    ("sms", "urn:sms", ["sms"]),
    ("eam", "urn:eam", ["eam"]),
    ("vslm", "urn:vslm", ["vslm"]),
    ("vsan", "urn:vsan", ["vsanhealth"]),
]

PRIMITIVES = {
    "void": "void", "anyType": "any", "string": "string", "boolean": "boolean", "byte": "byte", "short": "short",
    "int": "int", "long": "long", "float": "float", "double": "double", "vmodl.Binary": "base64Binary",
    "vmodl.DateTime": "dateTime", "vmodl.URI": "anyURI", "vmodl.TypeName": "typeName", "vmodl.MethodName": "methodName",
    "vmodl.PropertyPath": "propertyPath",
}

FLAGS = {"F_LINK": "link", "F_LINKABLE": "linkable", "F_OPTIONAL": "optional", "F_SECRET": "secret"}

# Built in code by pyVmomi's VmomiSupport.py, so absent from its declarations; the shape is the API reference's
# (LocalizedMethodFault, MethodFault, RuntimeFault). `vmodl.MethodFault` as a property's type travels as
# LocalizedMethodFault; the bare type is spelled `vmodl.MethodFault!`.
BUILT_IN = [
    ("vmodl.MethodFault", "MethodFault", "vmodl.DynamicData", "vmodl.version.version0", [
        ("faultCause", "vmodl.MethodFault", "vmodl.version.version1", ["optional"]),
        ("faultMessage", "vmodl.LocalizableMessage[]", "vmodl.version.version1", ["optional"]),
    ]),
    ("vmodl.RuntimeFault", "RuntimeFault", "vmodl.MethodFault", "vmodl.version.version0", []),
    ("vmodl.LocalizedMethodFault", "LocalizedMethodFault", "vmodl.DynamicData", "vmodl.version.version0", [
        ("fault", "vmodl.MethodFault!", "vmodl.version.version0", []),
        ("localizedMessage", "string", "vmodl.version.version0", ["optional"]),
    ]),
]


def literal(node):
    """The value of a literal; a sum of F_ flags becomes the list of their names."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List)):
        return [literal(item) for item in node.elts]
    if isinstance(node, ast.Name):
        return [FLAGS[node.id]]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return literal(node.left) + literal(node.right)
    raise ValueError(f"unexpected expression: {ast.dump(node)}")


class Source:
    """The text of pyVmomi's modules, from a folder or a wheel."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def read(self, name):
        if self.path.is_file():
            with zipfile.ZipFile(self.path) as wheel:
                return wheel.read(f"pyVmomi/{name}")
        return (self.path / name).read_bytes()

    def calls(self, module):
        tree = ast.parse(self.read(f"_typeinfo_{module}.py"))
        for node in tree.body:
            call = getattr(node, "value", None)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                yield call.func.id, [literal(argument) for argument in call.args]


class Schema:
    """All declarations of all modules, with the lookups that rendering needs."""

    def __init__(self, source):
        self.wire = {}  # vmodl name -> (namespace, wire name, kind)
        self.parents = {}  # version -> set of versions it contains
        self.version_ids = {}  # version -> (namespace, wire id, service namespace)
        self.declarations = {name: [] for name, _, _ in NAMESPACES}
        for namespace, _, modules in NAMESPACES:
            if namespace == "vim25":
                for entry in BUILT_IN:
                    self.add(namespace, "data", *entry)
            for module in modules:
                self.load(namespace, source.calls(module))
        self.chains = {name: self.chain(name) for name, _, _ in NAMESPACES}

    def load(self, namespace, calls):
        for function, arguments in calls:
            if function == "AddVersion":
                # vSAN has wire ids with blanks ("VMC M5"); in a schema file they are written with underscores.
                self.version_ids[arguments[0]] = (arguments[1], arguments[2].replace(" ", "_"), arguments[4])
            elif function == "AddVersionParent":
                self.parents.setdefault(arguments[0], set()).add(arguments[1])
            elif function == "CreateDataType":
                self.add(namespace, "data", *arguments)
            elif function == "CreateEnumType":
                vmodl, wire, version, values = arguments
                self.add(namespace, "enum", vmodl, wire, None, version, values)
            elif function == "CreateManagedType":
                vmodl, wire, base, version, props, methods = arguments
                self.add(namespace, "managed", vmodl, wire, base, version, props, methods)

    def add(self, namespace, kind, vmodl, wire, base, version, props, methods=None):
        self.wire[vmodl] = (namespace, wire, kind)
        self.declarations[namespace].append((kind, vmodl, wire, base, version, props or [], methods or []))

    def chain(self, namespace):
        """The versions of a namespace, oldest first. They are one straight line: each contains all before it."""
        names = {"vim25": ("vim25", "vim2")}.get(namespace, (namespace,))
        own = [v for v, (_, _, service) in self.version_ids.items()
               if service in names and self.version_ids[v][0] in names]
        own.sort(key=lambda v: len(self.parents[v]))
        for older, newer in zip(own, own[1:]):
            if older not in self.parents[newer]:
                sys.exit(f"extract.py: versions of {namespace} fork at {newer}")
        return own

    def since(self, namespace, version):
        """The oldest version of the namespace that contains `version`."""
        for candidate in self.chains[namespace]:
            if version in self.parents[candidate]:
                return self.version_ids[candidate][1]
        sys.exit(f"extract.py: no version of {namespace} contains {version}")

    def type(self, namespace, vmodl, flags=()):
        if vmodl.endswith("[]"):
            return self.type(namespace, vmodl[:-2], flags) + "[]"
        if vmodl in PRIMITIVES:
            return PRIMITIVES[vmodl]
        if "link" in flags:
            return "string"
        if vmodl == "vmodl.MethodFault":
            vmodl = "vmodl.LocalizedMethodFault"
        elif vmodl == "vmodl.MethodFault!":
            vmodl = "vmodl.MethodFault"
        elif vmodl == "vmodl.ManagedObject":
            return "&ManagedObject"
        elif vmodl == "vmodl.DataObject":
            return "DataObject"
        owner, wire, kind = self.wire[vmodl]
        prefix = "" if owner == namespace else f"{owner}:"
        return ("&" if kind == "managed" else "") + prefix + wire

    def field(self, namespace, keyword, name, vmodl, version, flags, privilege=None):
        flags = flags or []
        words = [keyword, name, self.type(namespace, vmodl, flags), self.since(namespace, version)]
        words += [flag for flag in ("optional", "link", "linkable", "secret") if flag in flags]
        if privilege:
            words.append(f"priv={privilege}")
        return " ".join(words)

    def base(self, namespace, vmodl):
        if vmodl in ("vmodl.DataObject", "vmodl.ManagedObject"):
            return vmodl.removeprefix("vmodl.")
        owner, wire, _ = self.wire[vmodl]
        return wire if owner == namespace else f"{owner}:{wire}"

    def render(self, namespace, urn):
        lines = [f"namespace {namespace} {urn}"]
        for version in self.chains[namespace]:
            lines.append(f"version {self.version_ids[version][1]} {version}")
        order = {"enum": 0, "data": 1, "managed": 2}
        declarations = sorted(self.declarations[namespace], key=lambda d: (order[d[0]], d[2]))
        for kind, vmodl, wire, base, version, props, methods in declarations:
            since = self.since(namespace, version)
            if kind == "enum":
                lines.append(" ".join(["enum", wire, since, *props]))
                continue
            lines.append(f"{kind} {wire} {self.base(namespace, base)} {since}")
            for prop in props:
                lines.append(" " + self.field(namespace, "prop", *prop))
            for method in methods:
                lines += self.method(namespace, vmodl, *method)
        return "\n".join(lines) + "\n"

    def method(self, namespace, owner, name, wire, version, params, result, privilege, faults, *_rest):
        flags, returns, task_result = result
        # The name that task and event descriptions use: `Folder.createVm`, without the leading `vim.`.
        described = f"{owner.partition('.')[2]}.{name}"
        words = ["method", wire, self.since(namespace, version), f"vmodl={described}"]
        words.append(f"returns={self.type(namespace, returns)}")
        if flags and "optional" in flags:
            words.append("optional")
        if task_result != returns:
            words.append(f"task={self.type(namespace, task_result)}")
        if privilege:
            words.append(f"priv={privilege}")
        if faults:
            words.append("faults=" + ",".join(self.base(namespace, fault) for fault in faults))
        yield " " + " ".join(words)
        for param in params:
            yield "  " + self.field(namespace, "param", *param)


def find_package():
    for key in ("purelib", "platlib"):
        candidate = pathlib.Path(sysconfig.get_path(key)) / "pyVmomi"
        if candidate.is_dir():
            return candidate
    sys.exit("extract.py: pyVmomi is not installed here; name its folder or wheel with --pyvmomi")


def main():
    parser = argparse.ArgumentParser(description="Turns pyVmomi's type tables into the schema files of this folder.")
    parser.add_argument("--pyvmomi", help="an installed pyVmomi folder, or a wheel")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")
    options = parser.parse_args()
    source = Source(options.pyvmomi or find_package())

    pinned = tomllib.loads((HERE / "provenance.toml").read_text())["pyvmomi"]["sha256"]
    for _, _, modules in NAMESPACES:
        for module in modules:
            name = f"_typeinfo_{module}.py"
            found = hashlib.sha256(source.read(name)).hexdigest()
            if pinned.get(name) != found:
                sys.exit(f"extract.py: {name} is not the pinned one: expected {pinned.get(name)}, found {found}")

    schema = Schema(source)
    stale = []
    for namespace, urn, _ in NAMESPACES:
        path = HERE / f"{namespace}.schema"
        text = schema.render(namespace, urn)
        if not path.exists() or path.read_text() != text:
            stale.append(path.name)
            if not options.check:
                path.write_text(text)
    if stale and options.check:
        sys.exit("extract.py: not current: " + ", ".join(stale))
    print("extract.py: " + (", ".join(stale) + " written" if stale else "all files are current"))


if __name__ == "__main__":
    main()
