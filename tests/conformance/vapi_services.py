"""Tags, a content library and a machine with the Automation API's own client, over JSON-RPC."""

import requests
import urllib3
from com.vmware.cis.tagging_client import CategoryModel
from com.vmware.content.library.item.updatesession_client import File
from com.vmware.content.library.item_client import UpdateSessionModel
from com.vmware.content.library_client import ItemModel, StorageBacking
from com.vmware.content_client import LibraryModel
from com.vmware.vapi.std.errors_client import (
    AlreadyExists,
    AlreadyInDesiredState,
    InvalidArgument,
    NotFound,
    Unauthenticated,
)
from com.vmware.vapi.std_client import DynamicID
from com.vmware.vcenter.vm.hardware_client import Cdrom, Cpu, Disk, Ethernet, Memory
from vmware.vapi.vsphere.client import create_vsphere_client

from simulator import simulator


def refused(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        assert error.messages[0].default_message
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def tags(client):
    categories, tags, associations = client.tagging.Category, client.tagging.Tag, client.tagging.TagAssociation
    spec = categories.CreateSpec("c", "d", CategoryModel.Cardinality.MULTIPLE, {"VirtualMachine"})
    category = categories.create(spec)
    refused(AlreadyExists, categories.create, spec)
    assert categories.get(category).associable_types == {"VirtualMachine"}
    first, second = (tags.create(tags.CreateSpec(name, "", category)) for name in ("t1", "t2"))
    tags.update(first, tags.UpdateSpec(description="new"))
    assert tags.get(first).description == "new"
    assert sorted(tags.list_tags_for_category(category)) == sorted([first, second])
    machines = [DynamicID("VirtualMachine", it.vm) for it in client.vcenter.VM.list()]
    assert associations.attach_tag_to_multiple_objects(first, machines).success
    assert associations.attach_multiple_tags_to_object(machines[0], [first, second]).success
    on_tags = associations.list_attached_objects_on_tags([first, second])
    assert {it.tag_id: len(it.object_ids) for it in on_tags} == {first: len(machines), second: 1}
    on_objects = associations.list_attached_tags_on_objects(machines)
    assert sum(len(it.tag_ids) for it in on_objects) == len(machines) + 1
    associations.detach(second, machines[0])
    assert associations.list_attached_tags(machines[0]) == [first]
    tags.delete(first)
    refused(NotFound, tags.get, first)


def library(client, session, datastore):
    backing = StorageBacking(type=StorageBacking.Type.DATASTORE, datastore_id=datastore)
    model = LibraryModel(name="l", description="d", type=LibraryModel.LibraryType.LOCAL, storage_backings=[backing])
    local = client.content.LocalLibrary.create(model)
    assert client.content.Library.get(local).creation_time
    assert client.content.Library.find(client.content.Library.FindSpec(name="l")) == [local]
    items = client.content.library.Item
    item = items.create(ItemModel(library_id=local, name="i", type="file"))
    updates, files = client.content.library.item.UpdateSession, client.content.library.item.updatesession.File
    update = updates.create(UpdateSessionModel(library_item_id=item))
    info = files.add(update, File.AddSpec(name="f", source_type=File.SourceType.PUSH, size=5))
    session.put(info.upload_endpoint.uri, b"hello").raise_for_status()
    assert not files.validate(update).has_errors
    updates.complete(update)
    assert updates.get(update).state == UpdateSessionModel.State.DONE
    [file] = client.content.library.item.File.list(item)
    assert (file.name, file.size, items.get(item).size) == ("f", 5, 5)
    [stored] = client.content.library.item.Storage.get(item, "f")
    assert stored.storage_backing.datastore_id == datastore
    items.delete(item)
    client.content.LocalLibrary.delete(local)
    refused(NotFound, client.content.LocalLibrary.get, local)


def machine(client, datastore):
    machines, hardware = client.vcenter.VM, client.vcenter.vm.hardware
    names = client.vcenter.Network.FilterSpec(names={"VM Network"})
    network = client.vcenter.Network.list(names)[0].network
    folder = client.vcenter.Folder.list(client.vcenter.Folder.FilterSpec(names={"vm"}))[0].folder
    cluster = client.vcenter.Cluster.list()[0].cluster
    backing = Ethernet.BackingSpec(Ethernet.BackingType.STANDARD_PORTGROUP, network)
    spec = machines.CreateSpec(
        guest_os="RHEL_9_64",
        name="new",
        placement=machines.PlacementSpec(folder=folder, cluster=cluster, datastore=datastore),
        cpu=Cpu.UpdateSpec(count=2),
        memory=Memory.UpdateSpec(size_mib=512),
        disks=[Disk.CreateSpec(new_vmdk=Disk.VmdkCreateSpec(capacity=1 << 20))],
        nics=[Ethernet.CreateSpec(backing=backing, start_connected=True)],
        cdroms=[Cdrom.CreateSpec(type=Cdrom.HostBusAdapterType.IDE)],
    )
    new = machines.create(spec)
    refused(AlreadyExists, machines.create, spec)
    info = machines.get(new)
    assert (info.cpu.count, info.memory.size_mib, len(info.cdroms)) == (2, 512, 1)
    assert [it.capacity for it in info.disks.values()] == [1 << 20]
    assert [it.backing.network for it in info.nics.values()] == [network]
    disk = hardware.Disk.create(new, Disk.CreateSpec(new_vmdk=Disk.VmdkCreateSpec(capacity=2 << 20)))
    assert hardware.Disk.get(new, disk).capacity == 2 << 20
    power = client.vcenter.vm.Power
    power.start(new)
    refused(AlreadyInDesiredState, power.start, new)
    assert client.vcenter.vm.guest.Identity.get(new).name == "RHEL_9_64"
    assert client.vcenter.vm.guest.networking.Interfaces.list(new)[0].ip.ip_addresses
    power.stop(new)
    machines.delete(new)
    refused(NotFound, machines.get, new)
    spec.guest_os = "ENOENT"
    refused(InvalidArgument, machines.create, spec)


def main():
    urllib3.disable_warnings()
    with simulator() as (host, port), requests.Session() as session:
        session.verify = False
        # No proxy and no certificates of the environment's.
        session.trust_env = False
        server = f"{host}:{port}"
        refused(Unauthenticated, create_vsphere_client, server, "user", "", None, None, None, session)
        client = create_vsphere_client(server, username="user", password="pass", session=session)
        for kind in ("Datacenter", "Host", "ResourcePool"):
            assert getattr(client.vcenter, kind).list(), kind
        assert client.vcenter.storage.Policies.list()
        datastore = client.vcenter.Datastore.list()[0].datastore
        tags(client)
        library(client, session, datastore)
        machine(client, datastore)


if __name__ == "__main__":
    main()
