#!/usr/bin/env python3
"""Makes vapi.schema: the services of the vSphere Automation API whose REST paths we answer, as facts.

    python3 wsdl/vapi_extract.py [--client DIR] [--check]

DIR is a folder or a wheel that has `com/vmware/*_client.py` of the package `vmware-vcenter`; without it the package is
looked for in this interpreter's site-packages, at the version that provenance.toml pins. The stubs are read as text with
`ast`: nothing of them is imported or run. Output is deterministic; `--check` only says whether the file is current.

One fact a line, what belongs to something indented below it, words separated by blanks:

    service ID
     OPERATION METHOD PATH RESULT [body=PARAMETER]
      PARAMETER TYPE [query=NAME]
    structure ID
     FIELD TYPE

In PATH, which is below `/api`, `{x}` stands for the value of the parameter x. The whole body is the parameter that is
named as body; without one, it has the parameters that are in neither path nor query. A TYPE is `void`, `string` (names,
identifiers, enums and addresses, too), `long`, `double`, `boolean`, `time`, `secret`, `binary`, `any` (a structure of any
kind), `error` or a structure's ID; `?` before it: it may be unset; `*`: a list or set of it; `<K>`: a map to it from K. An
ID that begins with a dot is below `com.vmware`.
"""

import argparse
import ast
import hashlib
import pathlib
import re
import sys
import sysconfig
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent

# The services, by the beginnings of their names below `com.vmware`; `=` before a name: this one alone.
SERVICES = [
    "appliance.access.", "=appliance.health.applmgmt", "=appliance.health.databasestorage", "=appliance.health.load",
    "=appliance.health.mem", "=appliance.health.softwarepackages", "=appliance.health.storage", "=appliance.health.swap",
    "=appliance.health.system", "=appliance.shutdown", "=appliance.system.version",
    "cis.tagging.", "=cis.tasks", "=content.library", "=content.library.item",
    "content.library.item.download", "=content.library.item.file", "=content.library.item.storage",
    "content.library.item.update", "=content.library.subscribed_item", "=content.library.subscriptions",
    "=content.library.usages", "=content.local_library", "=content.security_policies", "=content.subscribed_library",
    "=content.trusted_certificates", "=esx.settings.clusters.enablement.software",
    "=esx.settings.clusters.software", "=esx.settings.clusters.software.drafts",
    "=esx.settings.clusters.software.drafts.software.base_image",
    "=esx.settings.clusters.software.drafts.software.components", "=esx.settings.depot_content.base_images",
    "esx.settings.depots.offline", "=vcenter.VM", "=vcenter.cluster", "=vcenter.consumption_domains.zones",
    "=vcenter.consumption_domains.zones.cluster.associations", "=vcenter.crypto_manager.kms.providers",
    "=vcenter.datacenter", "=vcenter.datastore", "=vcenter.folder",
    "=vcenter.host", "=vcenter.namespace_management.clusters",
    "=vcenter.namespace_management.distributed_switch_compatibility",
    "=vcenter.namespace_management.edge_cluster_compatibility", "=vcenter.namespace_management.supervisor_services",
    "=vcenter.namespace_management.supervisor_services.versions", "=vcenter.namespace_management.supervisors.summary",
    "=vcenter.namespace_management.virtual_machine_classes", "=vcenter.namespaces.instances", "=vcenter.network",
    "=vcenter.ovf.library_item", "=vcenter.resource_pool", "=vcenter.storage.policies", "=vcenter.vm.data_sets",
    "=vcenter.vm.data_sets.entries", "=vcenter.vm.guest.identity", "=vcenter.vm.guest.local_filesystem",
    "vcenter.vm.guest.networking", "=vcenter.vm.guest.power", "=vcenter.vm.hardware", "vcenter.vm.hardware.adapter.",
    "=vcenter.vm.hardware.boot", "=vcenter.vm.hardware.boot.device", "=vcenter.vm.hardware.cdrom",
    "=vcenter.vm.hardware.cpu", "=vcenter.vm.hardware.disk", "=vcenter.vm.hardware.ethernet",
    "=vcenter.vm.hardware.memory", "=vcenter.vm.power", "=vcenter.vm.tools",
    "=vcenter.vm_template.library_items", "=vcenter.vm_template.library_items.check_outs",
]

PLAIN = {
    "VoidType": "void", "StringType": "string", "IdType": "string", "URIType": "string", "EnumType": "string",
    "IntegerType": "long", "DoubleType": "double", "BooleanType": "boolean", "DateTimeType": "time",
    "SecretType": "secret", "BlobType": "binary", "OpaqueType": "any", "DynamicStructType": "any",
    "AnyErrorType": "error",
}


def is_wanted(service):
    name = service.removeprefix("com.vmware.")
    return any(name == it[1:] if it.startswith("=") else name.startswith(it) for it in SERVICES)


def short(name):
    return name.removeprefix("com.vmware") if name.startswith("com.vmware.") else name


class Module:
    """What one stub module declares: structures and enums by class, and services."""

    def __init__(self, name, text):
        self.name, self.types, self.services = name, {}, []
        tree = ast.parse(text)
        self.look(tree.body, "")
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("_") and node.name.endswith("Stub"):
                self.services.append(self.service(node))

    def look(self, body, outer):
        for node in body:
            if isinstance(node, ast.ClassDef):
                self.look(node.body, f"{outer}{node.name}.")
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                call = node.value
                if isinstance(call.func, ast.Attribute) and call.func.attr == "_set_binding_type":
                    self.types[outer + call.func.value.id] = call.args[0]

    def service(self, node):
        constants, calls, operations, service = {}, {}, None, None
        for step in node.body[0].body:
            if isinstance(step, ast.Assign):
                name = step.targets[0].id
                if name == "operations":
                    operations = step.value
                elif isinstance(step.value, ast.Call):
                    calls[name] = step.value
            elif isinstance(step, ast.Expr) and isinstance(step.value, ast.Call):
                constants = {it.arg: it.value for it in step.value.keywords}
        service = constants["iface_name"].value
        found = {}
        for key, value in zip(operations.keys, operations.values):
            facts = {k.value: v for k, v in zip(value.keys, value.values)}
            name = key.value
            if f"{name}_rest_metadata" in calls:
                metadata = {it.arg: it.value for it in calls[f"{name}_rest_metadata"].keywords}
                found[name] = (calls[f"{name}_input_type"], facts["output_type"], metadata)
        return service, found


class Client:
    def __init__(self, files):
        self.files, self.loaded = files, {}

    def module(self, name):
        if name not in self.loaded:
            self.loaded[name] = Module(name, self.files[name])
        return self.loaded[name]

    def type(self, module, node, seen):
        """A TYPE; structures that it speaks of are added to seen."""
        kind = node.func.attr
        if kind in PLAIN:
            return PLAIN[kind]
        if kind == "OptionalType":
            return "?" + self.type(module, node.args[0], seen)
        if kind in ("ListType", "SetType"):
            return "*" + self.type(module, node.args[0], seen)
        if kind == "MapType":
            key, value = (self.type(module, it, seen) for it in node.args)
            return f"<{key}>{value}"
        if kind == "ReferenceType":
            home = module.name if isinstance(node.args[0], ast.Name) else node.args[0].value
            home = self.module(home)
            return self.type(home, home.types[node.args[1].value], seen)
        if kind in ("StructType", "ErrorType"):
            name = node.args[0].value
            if name not in seen:
                seen[name] = None
                seen[name] = self.fields(module, node, seen)
            return short(name)
        raise SystemExit(f"{module.name}: unknown type {kind}")

    def fields(self, module, node, seen):
        fields = node.args[1]
        return [(key.value, self.type(module, value, seen)) for key, value in zip(fields.keys, fields.values)]

    def operation(self, module, name, facts, seen):
        takes, returns, metadata = facts
        parameters = self.fields(module, takes, seen)
        texts = lambda node: {k.value: v.value for k, v in zip(node.keys, node.values)} if node else {}
        method = metadata["http_method"].value
        path, body = metadata["url_template"].value, metadata.get("request_body_parameter")
        for parameter, variable in texts(metadata.get("path_variables")).items():
            path = path.replace("{%s}" % variable, "{%s}" % parameter)
        query = metadata.get("query_parameters")
        if isinstance(query, ast.Call):
            named = next((texts(it.value) for it in query.keywords if it.arg is None), {})
        else:
            named = texts(query)
            # The oldest paths leave the action out, where it is not the end of the path.
            if method == "POST" and name != "create" and not path.endswith("/" + name.replace("_", "-")):
                path += "?action=" + name.replace("_", "-")
        path, _, constants = path.partition("?")
        constants = "&".join(it for it in constants.split("&") if "=" in it)
        line = f" {name} {method} {path}{'?' if constants else ''}{constants} {self.type(module, returns, seen)}"
        lines = [line + (f" body={body.value}" if body else "")]
        for parameter, type_ in parameters:
            lines.append(f"  {parameter} {type_}" + (f" query={named[parameter]}" if parameter in named else ""))
        return lines

    def schema(self):
        lines, seen = [], {}
        services = []
        for name in sorted(self.files):
            beginning = name.removesuffix("_client").removeprefix("com.vmware.")
            if any(beginning.startswith(it.lstrip("=").rpartition(".")[0]) for it in SERVICES):
                module = self.module(name)
                services += [(service, module, found) for service, found in module.services if is_wanted(service)]
        # What a structure of any kind can be, as far as clients send and read them.
        for name in ("PropertyParams", "DeploymentOptionParams", "ExtraConfigParams", "IpAllocationParams",
                     "CertificateParams", "VcenterExtensionParams", "ScaleOutParams", "SizeParams"):
            module = self.module("com.vmware.vcenter.ovf_client")
            if name in module.types:
                self.type(module, module.types[name], seen)
        for service, module, found in sorted(services, key=lambda it: it[0]):
            lines.append(f"service {short(service)}")
            for name, facts in found.items():
                lines += self.operation(module, name, facts, seen)
        for name in sorted(seen):
            lines.append(f"structure {short(name)}")
            lines += [f" {field} {type_}" for field, type_ in seen[name]]
        return "\n".join(lines) + "\n"


def stubs(place, version):
    """The stub modules by name."""
    if place and place.suffix == ".whl":
        with zipfile.ZipFile(place) as wheel:
            names = [it for it in wheel.namelist() if re.fullmatch(r"com/vmware/.*_client\.py", it)]
            return {it.removesuffix(".py").replace("/", "."): wheel.read(it).decode() for it in names}
    place = place or pathlib.Path(sysconfig.get_paths()["purelib"])
    if not (place / f"vmware_vcenter-{version}.dist-info").is_dir():
        raise SystemExit(f"vmware-vcenter {version} is not in {place}")
    files = (place / "com" / "vmware").rglob("*_client.py")
    return {".".join(it.relative_to(place).with_suffix("").parts): it.read_text() for it in files}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--client", type=pathlib.Path)
    arguments.add_argument("--check", action="store_true")
    arguments = arguments.parse_args()
    pinned = tomllib.loads((HERE / "provenance.toml").read_text())["vapi"]
    client = Client(stubs(arguments.client, pinned["version"]))
    text = client.schema()
    digest = hashlib.sha256()
    for name in sorted(client.loaded):
        digest.update(client.files[name].encode())
    if digest.hexdigest() != pinned["sha256"]:
        raise SystemExit(f"the stubs are not those that provenance.toml names: {digest.hexdigest()}")
    target = HERE / "vapi.schema"
    if arguments.check:
        if target.read_text() != text:
            raise SystemExit("vapi.schema is not current")
    else:
        target.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
