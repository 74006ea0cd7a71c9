"""Makes Java outlines of Android's and AndroidX's classes, for Kotlin to be checked against without the SDK.

Made of the chaquopy-stubs packages (PyPI), which were generated from the SDK: every class with its methods, their types and
what may be null. What those leave out (whether `float` is 32 bits wide, whether a class may be inherited from) is taken as the
table below has it, else as 64 bits and as open.

    stubs.py <folder of the unpacked packages> <folder for the outlines>
"""

import ast
import pathlib
import sys

PRIMITIVE = {"jboolean": "boolean", "jbyte": "byte", "jchar": "char", "jdouble": "double", "jfloat": "float",
             "jint": "int", "jlong": "long", "jshort": "short"}
PLAIN = {"str": "String", "bool": "boolean", "int": "int", "float": "double", "None": "void", "typing.Any": "Object"}
# What Python calls `int` or `float` and is not int or double.
WIDER = {
    "android.location.Location.getAccuracy": "float",
    "android.location.Location.getTime": "long",
    "android.location.Location.getElapsedRealtimeNanos": "long",
    "android.os.SystemClock.elapsedRealtimeNanos": "long",
    "android.util.TypedValue.applyDimension": "float",
}
# Words of Java that are names there.
WORDS = {"in", "is", "as", "from"}


class Class:
    """One class with what it holds, as Java."""

    def __init__(self, node, package, outer, names):
        self.node, self.package, self.outer, self.names = node, package, outer, names
        self.path = f"{outer.path}.{node.name}" if outer else f"{package}.{node.name}"

    def text(self):
        node = self.node
        body = [part for part in node.body if not isinstance(part, ast.Pass)]
        bases = [base for base in map(self.type, node.bases) if base and not base.startswith("typing.")]
        # One that is outlined nowhere (of a package that is not needed) would make the whole class unknown.
        bases = [base for base in bases if base != "java.lang.Object" and self.known(base)]
        if "java.lang.annotation.Annotation" in bases:
            return self.annotation()
        is_enum = any(base.startswith("java.lang.Enum") for base in bases)
        # A class without a way to make one may as well be an interface: nobody here inherits from such a one.
        is_class = self.is_class()
        params = self.params(node)
        head = f"{'enum' if is_enum else 'class' if is_class else 'interface'} {node.name}{params}"
        classes = [base for base in bases if self.is_known_class(base)]
        others = [base for base in bases if base not in classes]
        if is_class or is_enum:
            if classes and not is_enum:
                head += f" extends {classes[0]}"
            if others:
                head += " implements " + ", ".join(others)
        elif others:
            head += " extends " + ", ".join(others)
        abstract = " abstract" if is_class and not is_enum and self.path in ABSTRACT else ""
        lines = [f"public{' static' if self.outer else ''}{abstract} {head} {{{' ;' if is_enum else ''}"]
        for part in body:
            if isinstance(part, ast.ClassDef):
                lines.append(Class(part, self.package, self, self.names).text())
            elif isinstance(part, ast.AnnAssign):
                lines.append(self.field(part))
            elif isinstance(part, ast.FunctionDef):
                lines.append(self.method(part, is_class or is_enum))
        lines.append("}")
        return "\n".join(line for line in lines if line)

    def annotation(self):
        lines = [f"public{' static' if self.outer else ''} @interface {self.node.name} {{"]
        for part in self.node.body:
            if isinstance(part, ast.FunctionDef):
                kind = self.type(part.returns)
                value = "{}" if kind.endswith("[]") else {"String": '""', "int": "0", "boolean": "false"}.get(kind)
                lines.append(f"{kind} {part.name}(){f' default {value}' if value else ''};")
        return "\n".join([*lines, "}"])

    def is_class(self):
        return self.path in CLASSES

    def known(self, base):
        """The full name of a class as it is written here; none if there is no such one."""
        bare = base.split("<")[0]
        if bare.startswith(("java.", "javax.")):
            return bare
        at, places = self, [bare, f"{self.package}.{bare}"]
        while at:
            places.append(f"{at.path}.{bare}")
            at = at.outer
        return next((place for place in places if place in ALL), None)

    def is_known_class(self, base):
        bare = self.known(base)
        return bare in CLASSES or bare.startswith(("java.lang.Enum", "java.util.Abstract")) or bare.endswith("Exception")

    def params(self, node):
        for base in node.bases:
            if isinstance(base, ast.Subscript) and ast.unparse(base.value) == "typing.Generic":
                inner = base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]
                return "<" + ", ".join(ast.unparse(one).split("__")[-1] for one in inner) + ">"
        return ""

    def field(self, part):
        kind = part.annotation
        is_static = ast.unparse(kind).startswith("typing.ClassVar")
        java = self.type(kind.slice if is_static else kind, f"{self.path}.{part.target.id}")
        value = {"int": "0", "String": '""', "boolean": "false", "double": "0", "float": "0", "long": "0"}.get(java, "null")
        return f"public {'static final ' if is_static else ''}{java} {part.target.id}{f' = {value}' if is_static else ''};"

    def method(self, part, in_class):
        marks = [ast.unparse(mark) for mark in part.decorator_list]
        is_static = "staticmethod" in marks
        taken = [arg for arg in part.args.posonlyargs + part.args.args if arg.arg != "self" or is_static]
        given = []
        for n, arg in enumerate(taken):
            given.append(f"{self.nullable(arg.annotation)}{self.type(arg.annotation)} a{n}")
        if part.args.vararg:
            given.append(f"{self.type(part.args.vararg.annotation)}... rest")
        own = sorted({name for name in names_in(part) if name.startswith("_") and "__" in name and not self.is_param(name)})
        own = f"<{', '.join(name.split('__')[-1] for name in own)}> " if own else ""
        takes = ", ".join(given)
        if part.name == "__init__":
            return f"public {self.node.name}({takes}) {{}}" if in_class else ""
        path = f"{self.path}.{part.name}"
        gives = self.type(part.returns, path)
        may = self.nullable(part.returns) if gives != "void" and path not in FREELY else ""
        if in_class and not (path in ABSTRACT_METHODS and not is_static):
            return f"{may}public {'static ' if is_static else ''}{own}{gives} {part.name}({takes}) {{ throw null; }}"
        if is_static:
            return f"{may}static {own}{gives} {part.name}({takes}) {{ throw null; }}"
        is_default = path in DEFAULTS or f"{path}({takes.rsplit(' ', 1)[0]})" in DEFAULTS
        kind = "abstract" if in_class else ("default" if is_default else "")
        body = "{ throw null; }" if kind == "default" else ";"
        return f"{may}public {kind} {own}{gives} {part.name}({takes}){body}"

    def is_param(self, name):
        at = self
        while at:
            if name.startswith(f"_{at.node.name}__") or name.startswith(f"_{at.path[len(self.package) + 1:].replace('.', '_')}__"):
                return True
            at = at.outer
        return False

    def nullable(self, kind):
        if kind is not None and isinstance(kind, ast.BinOp) and "None" in [ast.unparse(one) for one in parts(kind)]:
            return "@org.jetbrains.annotations.Nullable "
        return ""

    def type(self, kind, path=""):
        if kind is None:
            return "void"
        if path in WIDER:
            return WIDER[path]
        all_of = [one for one in parts(kind)]
        words = [ast.unparse(one) for one in all_of]
        for word in words:
            last = word.split(".")[-1]
            if word.startswith("java.") and last in PRIMITIVE:
                return PRIMITIVE[last]
        all_of = [one for one, word in zip(all_of, words) if word != "None"] or all_of
        one = all_of[0]
        word = ast.unparse(one)
        if word in PLAIN:
            return PLAIN[word]
        if isinstance(one, ast.Constant):
            return self.type(ast.parse(one.value, mode="eval").body)
        if isinstance(one, ast.Subscript):
            base, inner = ast.unparse(one.value), one.slice.elts if isinstance(one.slice, ast.Tuple) else [one.slice]
            if base.endswith("JavaArray"):
                return f"{self.type(inner[0])}[]"
            if base in ("typing.Type", "type"):
                return "Class<?>"
            if base.startswith("typing."):
                return "" if base == "typing.Generic" else "Object"
            return f"{base}<{', '.join(boxed(self.type(each)) for each in inner)}>"
        if word.startswith("java.chaquopy.JavaArrayJ"):
            return f"{word.removeprefix('java.chaquopy.JavaArrayJ').lower()}[]"
        if word.startswith("_") and "__" in word:
            return word.split("__")[-1]
        if word.startswith("typing."):
            return "Object"
        return word


def boxed(java):
    return {"boolean": "Boolean", "int": "Integer", "long": "Long", "float": "Float", "double": "Double",
            "byte": "Byte", "short": "Short", "char": "Character", "void": "Void"}.get(java, java)


def parts(kind):
    """The alternatives of a type."""
    if isinstance(kind, ast.BinOp):
        return parts(kind.left) + parts(kind.right)
    return [kind]


def names_in(part):
    return {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}


# What may be null by the newest Android's word and not by that of the one the app is compiled for (34).
FREELY = {"android.app.Activity.getWindow", "android.content.Context.getResources"}
# Interfaces whose methods need not be there, and classes of which one method must.
DEFAULTS = {"android.location.LocationListener." + name
            for name in ("onFlushComplete", "onLocationChanged(java.util.List<Location>)", "onProviderDisabled",
                         "onProviderEnabled", "onStatusChanged")} | {"android.view.Window.Callback.onPointerCaptureChanged"}
ABSTRACT = {"android.app.Service", "android.content.BroadcastReceiver", "android.content.Context",
            "androidx.activity.OnBackPressedCallback", "androidx.activity.result.ActivityResultLauncher"}
ABSTRACT_METHODS = {"android.app.Service.onBind", "android.content.BroadcastReceiver.onReceive",
                    "androidx.activity.OnBackPressedCallback.handleOnBackPressed"}
ALL, CLASSES = set(), set()


def note_classes(node, path):
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            here = f"{path}.{part.name}"
            ALL.add(here)
            if any(isinstance(one, ast.FunctionDef) and one.name == "__init__" for one in part.body):
                CLASSES.add(here)
            note_classes(part, here)


def main(source, target):
    trees = {}
    for file in sorted(pathlib.Path(source).rglob("*.pyi")):
        place = file.relative_to(source)
        first = place.parts[0].removesuffix("-stubs")
        if first not in ("android", "androidx"):
            continue
        package = ".".join([first, *place.parts[1:-1]])
        trees[package] = ast.parse(file.read_text())
        note_classes(trees[package], package)
    count = 0
    for package, tree in trees.items():
        for node in tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            out = pathlib.Path(target, *package.split("."), f"{node.name}.java")
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(f"package {package};\n{Class(node, package, None, None).text()}\n")
            count += 1
    print(f"kotlin: {count} classes outlined")


main(*sys.argv[1:])
