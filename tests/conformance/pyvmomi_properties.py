"""Reads every property of every managed object that can be reached, with pyVmomi: no exception, no dangling reference.

The one assertion is pyVmomi's own: it parses each value strictly by its type tables, so an empty enumeration value, a
missing list type or a wrong element order raises.
"""

import collections
import sys

import pyVmomi
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import VmomiSupport, vim, vmodl

from simulator import simulator


def references(value, found):
    """Collects the managed objects in a value, however deep."""
    if isinstance(value, VmomiSupport.ManagedObject):
        found.append(value)
    elif isinstance(value, list):
        for item in value:
            references(item, found)
    elif isinstance(value, VmomiSupport.DataObject):
        for prop in value._GetPropertyList():
            references(getattr(value, prop.name), found)


def walk(instance):
    """Reads all; gives the number of objects and properties, and what went wrong."""
    stub = instance._stub
    pending, known = collections.deque([instance]), {instance._moId}
    objects, properties, problems = 0, 0, []
    while pending:
        managed = pending.popleft()
        objects += 1
        for prop in managed._GetPropertyList():
            if not VmomiSupport.IsChildVersion(stub.version, prop.version):
                continue
            properties += 1
            try:
                value = getattr(managed, prop.name)
            except Exception as error:  # whatever it is, it is a finding
                reason = getattr(error, "msg", None) or error
                problems.append(f"{type(managed).__name__}:{managed._moId}.{prop.name}: {type(error).__name__}: {reason}")
                if isinstance(error, vmodl.fault.ManagedObjectNotFound):
                    break
                continue
            found = []
            references(value, found)
            for reference in found:
                if reference._moId not in known:
                    known.add(reference._moId)
                    pending.append(reference)
    return objects, properties, problems


def retrieve_all(instance, kinds):
    """Reads all properties of all entities at once, as exporters do."""
    content = instance.RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, kinds, True)
    collector = vmodl.query.PropertyCollector
    traversal = collector.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])],
        propSet=[collector.PropertySpec(type=vim.ManagedEntity, all=True)],
    )
    result = content.propertyCollector.RetrievePropertiesEx([spec], collector.RetrieveOptions())
    missing = [missing for item in result.objects for missing in item.missingSet]
    assert not missing, missing
    return len(result.objects)


def main():
    failed = False
    for flags in ([], ["-esx"], ["-pod", "1", "-app", "1", "-pool", "1", "-pg-nsx", "1", "-nsx", "1", "-folder", "1"]):
        with simulator(*flags) as (host, port):
            instance = SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)
            objects, properties, problems = walk(instance)
            entities = retrieve_all(instance, [vim.ManagedEntity])
            Disconnect(instance)
        version = pyVmomi.__dict__.get("__version__") or instance._stub.version
        print(f"{' '.join(flags) or 'default'}: {version}: {objects} objects, {properties} properties, "
              f"{entities} entities at once, {len(problems)} exceptions")
        for problem in problems:
            print("  " + problem)
        failed = failed or bool(problems) or objects < 50 or entities < 5
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
