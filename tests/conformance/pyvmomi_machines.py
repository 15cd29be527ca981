"""The life of a virtual machine with pyVmomi: made, changed, kept, copied, moved, named, taken out and brought back."""

import contextlib
import hashlib
import http.client
import ssl
import time
import urllib.parse

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from faults import expect
from simulator import simulator

device = vim.vm.device
Change = device.VirtualDeviceSpec
GIB = 1024 * 1024  # in KB


def run(task):
    """The result of a task that succeeds."""
    WaitForTask(task)
    info = task.info
    assert info.state == "success" and info.progress in (None, 100), info
    assert info.queueTime <= info.startTime <= info.completeTime and info.descriptionId, info
    return info.result


class World:
    """What the scenarios share: the connection, plain HTTP with its session, and the places of the inventory."""

    def __init__(self, instance, host, port):
        self.instance, self.content = instance, instance.RetrieveContent()
        self.cookie = instance._stub.cookie.split(";")[0]
        self.address = (host, port)
        self.datacenter = self.at("DC0")
        self.folder = self.datacenter.vmFolder
        self.first, self.second = self.datacenter.datastore[:2]
        self.cluster = self.at("DC0/host/DC0_C0")
        self.pool = self.cluster.resourcePool
        self.network = self.at("DC0/network/VM Network")
        self.portgroup = self.at("DC0/network/DC0_DVPG0")

    def at(self, path):
        found = self.content.searchIndex.FindByInventoryPath(path)
        assert found is not None, path
        return found

    def send(self, method, url, body=None, **headers):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(*self.address, context=ssl._create_unverified_context())
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, {"Cookie": self.cookie, **headers})
        answer = connection.getresponse()
        with contextlib.closing(connection):
            return answer.status, answer.read()

    def url(self, path):
        """The URL of `[datastore] path`."""
        datastore, path = path[1:].split("] ")
        return f"/folder/{urllib.parse.quote(path)}?dcPath=DC0&dsName={datastore}"

    def size(self, path):
        status, data = self.send("GET", self.url(path))
        assert status == 200, (status, path)
        return len(data)


def add(what, **fields):
    spec = Change(operation="add", device=what)
    for name, value in fields.items():
        setattr(spec, name, value)
    return spec


def remove(what, **fields):
    return Change(operation="remove", device=what, **fields)


def edit(what):
    return Change(operation="edit", device=what)


def disk(controller, unit, kilobytes, path="", **backing):
    made = device.VirtualDisk(key=-1000 - controller * 10 - unit, controllerKey=controller, unitNumber=unit)
    made.capacityInKB = kilobytes
    made.backing = device.VirtualDisk.FlatVer2BackingInfo(fileName=path, diskMode="persistent", **backing)
    return add(made, fileOperation="create")


def card(kind, backing):
    connectable = device.VirtualDevice.ConnectInfo(startConnected=True, allowGuestControl=True, connected=True)
    return add(kind(key=-1, backing=backing, connectable=connectable, addressType="generated"))


def on(network):
    """The backing of a card on this network."""
    if isinstance(network, vim.dvs.DistributedVirtualPortgroup):
        port = vim.dvs.PortConnection(
            portgroupKey=network.key, switchUuid=network.config.distributedVirtualSwitch.uuid
        )
        return device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)
    return device.VirtualEthernetCard.NetworkBackingInfo(deviceName=network.name, network=network)


def devices(machine, kind):
    return [found for found in machine.config.hardware.device if isinstance(found, kind)]


def reconfigure(machine, *changes, **fields):
    run(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=list(changes), **fields)))


def keeps_its_references(world, machine):
    """Every reference between a machine and what it is on goes both ways, and nobody else claims the machine."""
    by = {
        "host": [found for cluster in world.datacenter.hostFolder.childEntity for found in cluster.host],
        "datastore": world.datacenter.datastore,
        "network": world.datacenter.network,
    }
    mine = {"host": [machine.runtime.host], "datastore": machine.datastore, "network": machine.network}
    for kind, all_of_them in by.items():
        assert mine[kind] or kind == "network"
        for other in all_of_them:
            assert (machine in other.vm) == (other in mine[kind]), (kind, other, machine)
    owners = [found for found in pools(world) if machine in found.vm]
    assert owners == ([machine.resourcePool] if machine.resourcePool else []), owners
    assert machine in machine.parent.childEntity
    names = {store.name for store in machine.datastore}
    images = [found.backing.fileName for found in devices(machine, device.VirtualCdrom) if hasattr(found.backing, "fileName")]
    used = {path[1:].split("]")[0] for path in files_of(machine) + images}
    assert used == names, (used, names)
    assert {usage.datastore for usage in machine.storage.perDatastoreUsage} <= set(machine.datastore)
    assert machine.config.name == machine.name == machine.summary.config.name
    assert machine.summary.config.vmPathName == machine.config.files.vmPathName
    assert machine.environmentBrowser == machine.runtime.host.parent.environmentBrowser


def pools(world):
    view = world.content.viewManager.CreateContainerView(world.datacenter, [vim.ResourcePool], True)
    try:
        return list(view.view)
    finally:
        view.Destroy()


def files_of(machine):
    return [file.name for file in machine.layoutEx.file]


def sizes_are_true(world, machine):
    """What `layoutEx` says of files is what they are, and `storage` adds it up."""
    for file in machine.layoutEx.file:
        if file.type in ("config", "diskDescriptor", "log", "nvram", "snapshotList"):
            assert file.size == world.size(file.name), (file.name, file.size, world.size(file.name))
        assert file.accessible and file.size >= (file.uniqueSize or 0)
    known = {file.key for file in machine.layoutEx.file}
    for layout in machine.layoutEx.disk:
        assert {key for unit in layout.chain for key in unit.fileKey} <= known
    committed = sum(usage.committed for usage in machine.storage.perDatastoreUsage)
    assert committed == machine.summary.storage.committed
    counted = ("diskExtent", "nvram", "snapshotData", "snapshotMemory")
    data = sum(file.uniqueSize for file in machine.layoutEx.file if file.type in counted)
    assert committed == data, (committed, machine.layoutEx.file)


def made_from_nothing(world):
    spec = vim.vm.ConfigSpec(
        name="made", guestId="ubuntu64Guest", numCPUs=2, numCoresPerSocket=2, memoryMB=2048, annotation="by hand",
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"), version="vmx-19", firmware="efi",
        cpuHotAddEnabled=True, memoryHotAddEnabled=True,
        extraConfig=[vim.option.OptionValue(key="guestinfo.a", value="b")],
    )
    spec.deviceChange = [
        add(device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")),
        disk(-1, 0, GIB, thinProvisioned=True),
        disk(-1, 1, 2 * GIB, thinProvisioned=False, eagerlyScrub=True),
        card(device.VirtualVmxnet3, on(world.network)),
    ]
    machine = run(world.folder.CreateVM_Task(spec, world.pool, None))
    config = machine.config
    assert (config.name, config.guestId, config.version, config.firmware) == ("made", "ubuntu64Guest", "vmx-19", "efi")
    assert (config.hardware.numCPU, config.hardware.numCoresPerSocket, config.hardware.memoryMB) == (2, 2, 2048)
    assert config.guestFullName.startswith("Ubuntu") and config.annotation == "by hand"
    assert [option.value for option in config.extraConfig if option.key == "guestinfo.a"] == ["b"]
    assert config.files.vmPathName == "[LocalDS_0] made/made.vmx"
    disks = devices(machine, device.VirtualDisk)
    assert [found.backing.fileName for found in disks] == [
        "[LocalDS_0] made/made.vmdk",
        "[LocalDS_0] made/made_1.vmdk",
    ]
    assert disks[0].controllerKey == devices(machine, device.ParaVirtualSCSIController)[0].key
    assert machine.runtime.powerState == "poweredOff" and machine.runtime.connectionState == "connected"
    assert world.content.searchIndex.FindByUuid(world.datacenter, config.uuid, True) == machine
    assert world.content.searchIndex.FindByUuid(None, config.instanceUuid, True, True) == machine
    assert world.content.searchIndex.FindByDatastorePath(world.datacenter, config.files.vmPathName) == machine
    assert world.content.searchIndex.FindByInventoryPath("DC0/vm/made") == machine
    expect(vim.fault.DuplicateName, world.folder.CreateVM_Task, spec, world.pool, None)
    keeps_its_references(world, machine)
    sizes_are_true(world, machine)


def every_class_of_device(world):
    machine = world.at("DC0/vm/made")
    remote = device.VirtualCdrom.RemotePassthroughBackingInfo(deviceName="", exclusive=False)
    iso = "[LocalDS_1] images/boot.iso"
    assert world.send("PUT", world.url(iso), b"\x01CD001" * 1000)[0] == 201
    serial = device.VirtualSerialPort(key=-1, yieldOnPoll=True)
    serial.backing = device.VirtualSerialPort.URIBackingInfo(serviceURI="telnet://:8000", direction="server")
    # A virtual TPM encrypts its machine, with a key of the default provider.
    provider = vim.encryption.KeyProviderId(id="conformance")
    server = vim.encryption.KmipServerInfo(name="kms", address="kms.example.com", port=5696)
    world.content.cryptoManager.RegisterKmipServer(vim.encryption.KmipServerSpec(clusterId=provider, info=server))
    before = {found.key for found in machine.config.hardware.device}
    reconfigure(
        machine,
        add(device.VirtualLsiLogicSASController(key=-10, busNumber=1, sharedBus="noSharing")),
        add(device.VirtualAHCIController(key=-11, busNumber=0)),
        add(device.VirtualNVMEController(key=-12, busNumber=0)),
        disk(-10, 0, GIB, thinProvisioned=True),
        disk(-11, 0, GIB, thinProvisioned=True),
        disk(-12, 0, GIB, "[LocalDS_1]", thinProvisioned=True),
        card(device.VirtualE1000e, on(world.portgroup)),
        card(device.VirtualE1000, on(world.network)),
        add(device.VirtualCdrom(key=-20, controllerKey=-11, unitNumber=1,
            backing=device.VirtualCdrom.IsoBackingInfo(fileName=iso))),
        add(device.VirtualCdrom(key=-21, controllerKey=200, unitNumber=0, backing=remote)),
        add(device.VirtualFloppy(key=-22, backing=device.VirtualFloppy.RemoteDeviceBackingInfo(deviceName=""))),
        add(serial),
        add(device.VirtualUSBController(key=-23, ehciEnabled=True)),
        add(device.VirtualUSBXHCIController(key=-24)),
        add(device.VirtualHdAudioCard(key=-25, backing=device.VirtualSoundCard.DeviceBackingInfo(deviceName=""))),
        add(device.VirtualTPM(key=-26)),
        add(device.VirtualWDT(key=-27, runOnBoot=False, running=False)),
    )
    added = [found for found in machine.config.hardware.device if found.key not in before]
    assert len(added) == 17, [type(found).__name__ for found in added]
    keys = [found.key for found in machine.config.hardware.device]
    assert len(keys) == len(set(keys)) and min(keys) > 0
    for found in machine.config.hardware.device:
        assert found.deviceInfo.label and found.deviceInfo.summary, found
        if isinstance(found, device.VirtualController):
            inside = [other.key for other in machine.config.hardware.device if other.controllerKey == found.key]
            assert sorted(found.device) == sorted(inside), (found, inside)
    assert machine.summary.config.tpmPresent and machine.summary.config.numVirtualDisks == 5
    assert machine.summary.config.numEthernetCards == 3
    assert sorted(store.name for store in machine.datastore) == ["LocalDS_0", "LocalDS_1"]
    addresses = [found.macAddress for found in devices(machine, device.VirtualEthernetCard)]
    assert len(set(addresses)) == 3 and all(addresses)
    keeps_its_references(world, machine)
    sizes_are_true(world, machine)

    video = devices(machine, device.VirtualVideoCard)[0]
    video.videoRamSizeInKB = 8192
    moved = devices(machine, device.VirtualE1000)[0]
    moved.backing = on(world.portgroup)
    grown = devices(machine, device.VirtualDisk)[0]
    grown.capacityInKB *= 2
    gone = devices(machine, device.VirtualSerialPort)[0]
    reconfigure(machine, edit(video), edit(moved), edit(grown), remove(gone))
    assert devices(machine, device.VirtualVideoCard)[0].videoRamSizeInKB == 8192
    assert devices(machine, device.VirtualDisk)[0].capacityInBytes == 2 << 30
    assert not devices(machine, device.VirtualSerialPort)
    switch = world.portgroup.config.distributedVirtualSwitch
    ports = switch.FetchDVPorts(vim.dvs.PortCriteria(connected=True, portgroupKey=[world.portgroup.key], inside=True))
    assert [port.connectee.connectedEntity for port in ports].count(machine) == 2
    keeps_its_references(world, machine)


def what_is_refused(world):
    """Nothing of a refused change stays."""
    machine = world.at("DC0/vm/made")
    before = len(machine.config.hardware.device)
    scsi = devices(machine, device.ParaVirtualSCSIController)[0]
    small = devices(machine, device.VirtualDisk)[1]
    small.capacityInKB //= 2
    small.capacityInBytes //= 2
    nowhere = device.VirtualEthernetCard.NetworkBackingInfo(deviceName="no such network")
    sparse = device.VirtualDisk(key=-1, controllerKey=scsi.key, unitNumber=5, capacityInKB=GIB)
    sparse.backing = device.VirtualDisk.SparseVer2BackingInfo(fileName="", diskMode="persistent")
    cases = [
        (vim.fault.InvalidDeviceSpec, disk(scsi.key, 0, GIB)),  # the unit is taken
        (vim.fault.InvalidDeviceSpec, disk(scsi.key, 7, GIB)),  # the unit is the controller's own
        (vim.fault.InvalidDeviceSpec, disk(scsi.key, 99, GIB)),
        (vim.fault.InvalidDeviceSpec, disk(4711, 0, GIB)),
        (vim.fault.InvalidDeviceSpec, disk(scsi.key, 3, 0)),
        (vim.fault.InvalidDeviceSpec, remove(device.VirtualDevice(key=4711))),
        (vim.fault.InvalidDeviceSpec, card(device.VirtualVmxnet3, nowhere)),
        (vim.fault.InvalidDeviceOperation, edit(small)),
        (vim.fault.DeviceUnsupportedForVmPlatform, add(sparse, fileOperation="create")),
        (vim.fault.InvalidDatastorePath, disk(scsi.key, 3, GIB, "nonsense")),
        (vim.fault.InvalidDatastore, disk(scsi.key, 3, GIB, "[no such datastore] a.vmdk")),
        (vim.fault.FileAlreadyExists, disk(scsi.key, 3, GIB, "[LocalDS_0] made/made.vmdk")),
    ]
    for fault, change in cases:
        fine = card(device.VirtualVmxnet3, on(world.network))
        spec = vim.vm.ConfigSpec(deviceChange=[fine, change], annotation="changed")
        found = expect(fault, machine.ReconfigVM_Task, spec)
        if fault is vim.fault.InvalidDeviceSpec:
            assert found.deviceIndex == 1, found
    assert machine.config.annotation == "by hand" and len(machine.config.hardware.device) == before
    for fault, fields in [
        (vmodl.fault.InvalidArgument, {"numCPUs": -1}),
        (vmodl.fault.InvalidArgument, {"numCPUs": 3, "numCoresPerSocket": 2}),
        (vim.fault.InvalidVmConfig, {"firmware": "bios", "bootOptions": vim.vm.BootOptions(efiSecureBootEnabled=True)}),
        (vim.fault.DuplicateName, {"name": "DC0_H0_VM0"}),
        (vim.fault.ConcurrentAccess, {"changeVersion": "1"}),
    ]:
        expect(fault, machine.ReconfigVM_Task, vim.vm.ConfigSpec(**fields))
    for call in (machine.PowerOffVM_Task, machine.SuspendVM_Task, machine.ResetVM_Task, machine.ShutdownGuest):
        expect(vim.fault.InvalidPowerState, call)
    expect(vim.fault.InvalidPowerState, machine.AcquireTicket, "webmks")


def changes_while_it_runs(world):
    machine = world.at("DC0/vm/made")
    much = vim.ResourceAllocationInfo(reservation=1 << 20)
    reconfigure(machine, memoryAllocation=much)
    expect(vim.fault.InsufficientMemoryResourcesFault, machine.PowerOnVM_Task)
    reconfigure(machine, memoryAllocation=vim.ResourceAllocationInfo(reservation=0), cpuAllocation=much)
    expect(vim.fault.InsufficientCpuResourcesFault, machine.PowerOnVM_Task)
    reconfigure(machine, cpuAllocation=vim.ResourceAllocationInfo(reservation=0))
    run(machine.PowerOnVM_Task())
    expect(vim.fault.InvalidPowerState, machine.PowerOnVM_Task)
    expect(vim.fault.InvalidPowerState, machine.Destroy_Task)
    reconfigure(machine, numCPUs=4, memoryMB=4096)
    assert machine.summary.config.numCpu == 4 and machine.summary.config.memorySizeMB == 4096
    expect(vim.fault.InvalidPowerState, machine.ReconfigVM_Task, vim.vm.ConfigSpec(numCPUs=2))
    expect(vim.fault.InvalidPowerState, machine.ReconfigVM_Task, vim.vm.ConfigSpec(memoryMB=1024))
    scsi = devices(machine, device.ParaVirtualSCSIController)[0]
    reconfigure(machine, disk(scsi.key, 4, GIB), card(device.VirtualVmxnet3, on(world.network)))
    newest = devices(machine, device.VirtualEthernetCard)[-1]
    assert newest.connectable.connected
    reconfigure(machine, remove(newest), remove(devices(machine, device.VirtualDisk)[-1], fileOperation="destroy"))
    for refused in (
        add(device.VirtualTPM(key=-1)),
        remove(devices(machine, device.VirtualTPM)[0]),
    ):
        expect(vim.fault.DeviceHotPlugNotSupported, machine.ReconfigVM_Task, vim.vm.ConfigSpec(deviceChange=[refused]))
    ticket = machine.AcquireTicket("webmks")
    assert ticket.url.startswith("wss://") and ticket.ticket
    assert machine.guest.ipAddress and machine.guest.toolsRunningStatus == "guestToolsRunning"
    cards = {found.macAddress: found.key for found in devices(machine, device.VirtualEthernetCard)}
    assert {found.macAddress: found.deviceConfigId for found in machine.guest.net} == cards
    machine.StandbyGuest()
    wait(lambda: machine.runtime.powerState == "suspended")
    run(machine.PowerOnVM_Task())
    machine.RebootGuest()
    run(machine.ResetVM_Task())
    machine.ShutdownGuest()
    wait(lambda: machine.runtime.powerState == "poweredOff")


def wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.01)


def tree(machine):
    """`name(children)` of the machine's snapshots, and the name of the current one."""

    def shape(nodes):
        return " ".join(node.name + (f"({shape(node.childSnapshotList)})" if node.childSnapshotList else "") for node in nodes)

    def named(nodes):
        for node in nodes:
            yield node.snapshot, node.name
            yield from named(node.childSnapshotList)

    info = machine.snapshot
    return shape(info.rootSnapshotList), dict(named(info.rootSnapshotList))[info.currentSnapshot]


def a_tree_of_snapshots(world):
    """Five snapshots on two branches; each brings back what the machine was."""
    spec = vim.vm.ConfigSpec(
        name="kept", guestId="rhel9_64Guest", numCPUs=1, memoryMB=512,
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
    )
    spec.deviceChange = [
        add(device.ParaVirtualSCSIController(key=-1, busNumber=0, sharedBus="noSharing")),
        disk(-1, 0, 1024, thinProvisioned=False),
    ]
    machine = run(world.folder.CreateVM_Task(spec, world.pool, None))
    expect(vim.fault.NotFound, machine.RevertToCurrentSnapshot_Task)

    def write(letter):
        """What the guest writes to the disk goes to the file at the end of the chain."""
        backing = devices(machine, device.VirtualDisk)[0].backing
        stem = backing.fileName.removesuffix(".vmdk")
        path = stem + ("-delta.vmdk" if backing.parent else "-flat.vmdk")
        assert world.send("PUT", world.url(path), letter.encode() * 1024 * 1024)[0] in (200, 201)

    def disk_reads():
        """Of each file of the disk's chain, from the first on, the first byte."""
        backing = devices(machine, device.VirtualDisk)[0].backing
        found = ""
        while backing:
            stem = backing.fileName.removesuffix(".vmdk")
            status, data = world.send("GET", world.url(stem + ("-delta.vmdk" if backing.parent else "-flat.vmdk")))
            assert status == 200
            found, backing = (data[:1].decode() or "-") + found, backing.parent
        return found

    kept = {}

    def keep(name, memory=False):
        state = (
            machine.config.annotation, machine.config.hardware.memoryMB, machine.config.hardware.numCPU,
            len(machine.config.hardware.device), disk_reads(), machine.runtime.powerState if memory else "poweredOff",
        )
        snapshot = run(machine.CreateSnapshot_Task(name, f"about {name}", memory, False))
        kept[name] = snapshot, state
        assert machine.snapshot.currentSnapshot == snapshot and snapshot.vm == machine

    def check(name):
        snapshot, state = kept[name]
        run(snapshot.RevertToSnapshot_Task())
        now = (
            machine.config.annotation, machine.config.hardware.memoryMB, machine.config.hardware.numCPU,
            len(machine.config.hardware.device), disk_reads()[:-1], machine.runtime.powerState,
        )
        assert now == state, (name, now, state)
        assert tree(machine)[1] == name
        assert snapshot.config.hardware.memoryMB == state[1]
        keeps_its_references(world, machine)
        sizes_are_true(world, machine)

    write("1")
    keep("one")
    assert disk_reads() == "1-"
    write("2")
    reconfigure(machine, card(device.VirtualVmxnet3, on(world.network)), annotation="second", memoryMB=1024)
    keep("two")
    run(machine.PowerOnVM_Task())
    keep("three", memory=True)
    run(machine.PowerOffVM_Task())
    reconfigure(machine, remove(devices(machine, device.VirtualVmxnet3)[0]), numCPUs=4)
    run(kept["two"][0].RevertToSnapshot_Task())
    write("4")
    reconfigure(machine, add(device.VirtualUSBController(key=-1)), disk(devices(machine, device.ParaVirtualSCSIController)[0].key, 1, 1024))
    keep("four")
    run(kept["one"][0].RevertToSnapshot_Task())
    keep("five")
    assert tree(machine) == ("one(two(three four) five)", "five")
    for name in ("three", "one", "four", "two", "five", "three"):
        check(name)
    assert machine.runtime.powerState == "poweredOn"
    memory = [file for file in machine.layoutEx.file if file.type == "snapshotMemory"]
    assert [file.size for file in memory] == [1024 << 20]
    assert [node.snapshot for node in machine.snapshot.rootSnapshotList] == list(machine.rootSnapshot)
    assert list(kept["two"][0].childSnapshot) == [kept["three"][0], kept["four"][0]]
    assert {layout.key for layout in machine.layoutEx.snapshot} == {snapshot for snapshot, _ in kept.values()}
    run(machine.PowerOffVM_Task())

    kept["four"][0].RenameSnapshot("vier", "renamed")
    assert tree(machine)[0] == "one(two(three vier) five)"
    expect(vim.fault.InvalidName, machine.CreateSnapshot_Task, "", "", False, False)
    run(kept["three"][0].RemoveSnapshot_Task(False))
    assert tree(machine) == ("one(two(vier) five)", "two")
    expect(vmodl.fault.ManagedObjectNotFound, kept["three"][0].RevertToSnapshot_Task)
    run(kept["two"][0].RemoveSnapshot_Task(True))
    assert tree(machine) == ("one(five)", "one")
    check("five")
    write("9")
    run(machine.RemoveAllSnapshots_Task())
    assert disk_reads() == "9"
    assert machine.snapshot is None and not machine.rootSnapshot
    assert devices(machine, device.VirtualDisk)[0].backing.parent is None
    assert not [file for file in machine.layoutEx.file if file.type.startswith("snapshot")]
    keeps_its_references(world, machine)
    sizes_are_true(world, machine)
    return machine


def location(world, **fields):
    return vim.vm.RelocateSpec(pool=world.pool, **fields)


def copies(world):
    """Full and linked clones, of a snapshot, to a template and from it."""
    source = world.at("DC0/vm/made")
    snapshot = run(source.CreateSnapshot_Task("base", "", False, False))
    snapshots_disks = devices(snapshot, device.VirtualDisk)
    reconfigure(source, annotation="after the snapshot")
    full = run(source.CloneVM_Task(world.folder, "full", vim.vm.CloneSpec(
        location=location(world, datastore=world.second), powerOn=False, template=False)))
    assert full.config.annotation == "after the snapshot" and full.snapshot is None
    assert full.config.uuid != source.config.uuid and full.config.instanceUuid != source.config.instanceUuid
    for own in devices(full, device.VirtualDisk):
        assert own.backing.parent is None and own.backing.datastore == world.second, own
    own = {found.macAddress for found in devices(full, device.VirtualEthernetCard)}
    assert not own & {found.macAddress for found in devices(source, device.VirtualEthernetCard)}

    linked = run(source.CloneVM_Task(world.folder, "linked", vim.vm.CloneSpec(
        location=location(world, diskMoveType="createNewChildDiskBacking"),
        snapshot=snapshot, powerOn=True, template=False)))
    assert linked.config.annotation == "by hand" and linked.runtime.powerState == "poweredOn"
    for own, parent in zip(devices(linked, device.VirtualDisk), snapshots_disks):
        assert own.backing.parent.fileName == parent.backing.fileName and own.backing.fileName.count("linked/") == 1
    past = run(source.CloneVM_Task(world.folder, "past", vim.vm.CloneSpec(
        location=location(world), snapshot=snapshot, powerOn=False, template=False)))
    assert past.config.annotation == "by hand"
    assert all(own.backing.parent is None for own in devices(past, device.VirtualDisk))

    template = run(source.CloneVM_Task(world.folder, "template", vim.vm.CloneSpec(
        location=location(world), powerOn=False, template=True)))
    assert template.config.template and template.summary.config.template and template.resourcePool is None
    expect(vmodl.fault.NotSupported, template.PowerOnVM_Task)
    deployed = run(template.CloneVM_Task(world.folder, "deployed", vim.vm.CloneSpec(
        location=location(world, host=world.cluster.host[1]), powerOn=True, template=False,
        config=vim.vm.ConfigSpec(numCPUs=8, annotation="deployed"))))
    assert deployed.config.hardware.numCPU == 8 and deployed.runtime.host == world.cluster.host[1]
    expect(vim.fault.DuplicateName, template.CloneVM_Task, world.folder, "deployed", vim.vm.CloneSpec(
        location=location(world), powerOn=False, template=False))
    template.MarkAsVirtualMachine(world.pool, world.cluster.host[0])
    assert not template.config.template and template.resourcePool == world.pool
    template.MarkAsTemplate()
    for machine in (source, full, linked, past, template, deployed):
        keeps_its_references(world, machine)
        sizes_are_true(world, machine)
    disks = [own.backing.fileName for machine in (source, full, linked, past, template, deployed) for own in devices(machine, device.VirtualDisk)]
    assert len(disks) == len(set(disks))


def moves(world):
    """Everything that a machine can be moved to, one after the other and at once; every reference follows."""
    machine = world.at("DC0/vm/deployed")
    folder = world.folder.CreateFolder("elsewhere")
    pool = world.pool.CreateResourcePool("elsewhere", vim.ResourceConfigSpec(
        cpuAllocation=allocation(), memoryAllocation=allocation()))
    standalone = world.at("DC0/host/DC0_H0")
    run(machine.MigrateVM_Task(host=world.cluster.host[2], priority="defaultPriority"))
    assert machine.runtime.host == world.cluster.host[2] and machine.runtime.powerState == "poweredOn"
    keeps_its_references(world, machine)
    run(machine.RelocateVM_Task(vim.vm.RelocateSpec(datastore=world.second)))
    assert list(machine.datastore) == [world.second]
    assert machine.config.files.vmPathName == "[LocalDS_1] deployed/deployed.vmx"
    keeps_its_references(world, machine)
    sizes_are_true(world, machine)
    one = devices(machine, device.VirtualDisk)[1]
    run(machine.RelocateVM_Task(vim.vm.RelocateSpec(
        disk=[vim.vm.RelocateSpec.DiskLocator(diskId=one.key, datastore=world.first)])))
    assert set(machine.datastore) == {world.first, world.second}
    keeps_its_references(world, machine)
    run(folder.MoveIntoFolder_Task([machine]))
    run_none(pool.MoveIntoResourcePool([machine]))
    assert machine.parent == folder and machine.resourcePool == pool
    keeps_its_references(world, machine)
    run(machine.RelocateVM_Task(vim.vm.RelocateSpec(
        host=standalone.host[0], pool=standalone.resourcePool, datastore=world.first, folder=world.folder)))
    assert machine.runtime.host == standalone.host[0] and machine.resourcePool == standalone.resourcePool
    assert machine.parent == world.folder
    assert all(found.backing.datastore == world.first for found in devices(machine, device.VirtualDisk))
    keeps_its_references(world, machine)
    sizes_are_true(world, machine)

    kept = world.at("DC0/vm/kept")
    data = bytes(range(256)) * 4096
    assert world.send("PUT", world.url("[LocalDS_0] kept/kept-flat.vmdk"), data)[0] in (200, 201)
    run(kept.CreateSnapshot_Task("travels", "", False, False))
    copy = run(kept.CloneVM_Task(world.folder, "copied", vim.vm.CloneSpec(
        location=location(world), powerOn=False, template=False)))
    assert world.send("GET", world.url("[LocalDS_0] copied/copied-flat.vmdk")) == (200, data)
    keeps_its_references(world, copy)
    run(kept.RelocateVM_Task(vim.vm.RelocateSpec(datastore=world.second)))
    assert world.send("GET", world.url("[LocalDS_1] kept/kept-flat.vmdk")) == (200, data)
    assert world.send("GET", world.url("[LocalDS_0] kept/kept-flat.vmdk"))[0] == 404
    assert kept.snapshot.currentSnapshot.config.files.vmPathName.startswith("[LocalDS_1]")
    assert list(kept.datastore) == [world.second]
    run(kept.RevertToCurrentSnapshot_Task())
    assert list(kept.datastore) == [world.second]
    keeps_its_references(world, kept)
    sizes_are_true(world, kept)

    closed = world.cluster.host[1]
    run(closed.EnterMaintenanceMode_Task(0))
    assert not [found for found in closed.vm if found.runtime.powerState == "poweredOn"]
    expect(vim.fault.InvalidState, machine.RelocateVM_Task, vim.vm.RelocateSpec(host=closed, pool=world.pool))
    expect(vim.fault.InvalidState, world.at("DC0/vm/full").CloneVM_Task, world.folder, "no", vim.vm.CloneSpec(
        location=location(world, host=closed), powerOn=False, template=False))
    run(closed.ExitMaintenanceMode_Task(0))


def allocation():
    shares = vim.SharesInfo(level="normal", shares=0)
    return vim.ResourceAllocationInfo(reservation=0, limit=-1, expandableReservation=True, shares=shares)


def run_none(nothing):
    assert nothing is None


def names(world):
    """What guests are called and where they are, from customization."""
    machine = world.at("DC0/vm/full")
    cards = len(devices(machine, device.VirtualEthernetCard))
    fixed = vim.vm.customization.AdapterMapping(adapter=vim.vm.customization.IPSettings(
        ip=vim.vm.customization.FixedIp(ipAddress="10.7.0.5"), subnetMask="255.255.255.0", gateway=["10.7.0.1"],
        dnsServerList=["10.7.0.2"], dnsDomain="example.com"))
    dynamic = vim.vm.customization.AdapterMapping(adapter=vim.vm.customization.IPSettings(
        ip=vim.vm.customization.DhcpIpGenerator()))
    linux = vim.vm.customization.Specification(
        identity=vim.vm.customization.LinuxPrep(
            hostName=vim.vm.customization.FixedName(name="web"), domain="example.com"),
        globalIPSettings=vim.vm.customization.GlobalIPSettings(
            dnsSuffixList=["example.com"], dnsServerList=["10.7.0.2"]),
        nicSettingMap=[fixed] + [dynamic] * (cards - 1))
    wrong = vim.vm.customization.Specification(
        identity=linux.identity, globalIPSettings=linux.globalIPSettings, nicSettingMap=[fixed] * (cards + 1))
    expect(vim.fault.NicSettingMismatch, machine.CheckCustomizationSpec, wrong)
    expect(vim.fault.NicSettingMismatch, machine.CustomizeVM_Task, wrong)
    machine.CheckCustomizationSpec(linux)
    run(machine.CustomizeVM_Task(linux))
    run(machine.PowerOnVM_Task())
    wait(lambda: machine.guest.hostName == "web" and machine.guest.ipAddress == "10.7.0.5")
    net = [found for found in machine.guest.net if "10.7.0.5" in found.ipAddress][0]
    assert net.ipConfig.ipAddress[0].prefixLength == 24
    stack = machine.guest.ipStack[0]
    assert stack.dnsConfig.hostName == "web" and list(stack.dnsConfig.ipAddress) == ["10.7.0.2"]
    assert "10.7.0.1" in [route.gateway.ipAddress for route in stack.ipRouteConfig.ipRoute]
    assert world.content.searchIndex.FindByIp(None, "10.7.0.5", True) == machine
    assert world.content.searchIndex.FindByDnsName(None, "web", True) == machine
    assert stack.dnsConfig.domainName == "example.com"
    expect(vim.fault.InvalidPowerState, machine.CustomizeVM_Task, linux)
    run(machine.PowerOffVM_Task())
    assert machine.guest.ipAddress is None and not any(found.ipAddress for found in machine.guest.net)
    assert world.content.searchIndex.FindByIp(None, "10.7.0.5", True) is None
    run(machine.PowerOnVM_Task())
    wait(lambda: machine.guest.ipAddress == "10.7.0.5")
    assert list(machine.guest.ipStack[0].dnsConfig.ipAddress) == ["10.7.0.2"]

    windows = vim.vm.customization.Specification(
        options=vim.vm.customization.WinOptions(changeSID=True, deleteAccounts=False, reboot="reboot"),
        identity=vim.vm.customization.Sysprep(
            guiUnattended=vim.vm.customization.GuiUnattended(autoLogon=False, autoLogonCount=0, timeZone=85),
            userData=vim.vm.customization.UserData(
                fullName="A", orgName="B", productId="", computerName=vim.vm.customization.VirtualMachineNameGenerator()),
            identification=vim.vm.customization.Identification(joinWorkgroup="WORK")),
        globalIPSettings=vim.vm.customization.GlobalIPSettings(),
        nicSettingMap=[dynamic])
    spec = vim.vm.ConfigSpec(name="winbox", guestId="windows2019srv_64Guest", numCPUs=1, memoryMB=1024,
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
        deviceChange=[add(device.VirtualLsiLogicSASController(key=-1, busNumber=0, sharedBus="noSharing")),
                      disk(-1, 0, GIB), card(device.VirtualE1000e, on(world.network))])
    made = run(world.folder.CreateVM_Task(spec, world.pool, None))
    machine = run(made.CloneVM_Task(world.folder, "winclone", vim.vm.CloneSpec(
        location=location(world), powerOn=True, template=False, customization=windows)))
    wait(lambda: (machine.guest.hostName or "").lower() == "winclone")
    assert machine.guest.guestFamily == "windowsGuest" and machine.guest.ipAddress
    windows.nicSettingMap = []
    expect(vim.fault.UncustomizableGuest, world.at("DC0/vm/kept").CustomizeVM_Task, windows)
    for machine in (world.at("DC0/vm/full"), machine):
        kinds = [type(event).__name__.split(".")[-1] for event in events_of(world, machine)]
        assert kinds.index("CustomizationStartedEvent") < kinds.index("CustomizationSucceeded"), kinds


def events_of(world, entity, **fields):
    """All that happened to an entity, oldest first."""
    recursion = vim.event.EventFilterSpec.RecursionOption.self
    spec = vim.event.EventFilterSpec(
        entity=vim.event.EventFilterSpec.ByEntity(entity=entity, recursion=recursion), **fields)
    collector = world.content.eventManager.CreateCollectorForEvents(spec)
    try:
        collector.SetCollectorPageSize(100)
        collector.RewindCollector()
        found = []
        while page := collector.ReadNextEvents(7):
            found += page
        return found
    finally:
        collector.DestroyCollector()


def ready(lease):
    wait(lambda: lease.state != "initializing")
    assert lease.state == "ready", lease.error
    return lease.info.deviceUrl


def out_and_in_again(world):
    """Exports a machine with two disks and an image, imports what came out, and exports that: the same bytes."""
    source = world.at("DC0/vm/kept")
    run(source.RemoveAllSnapshots_Task())
    reconfigure(source, disk(devices(source, device.ParaVirtualSCSIController)[0].key, 2, 2048, thinProvisioned=True))
    second = devices(source, device.VirtualDisk)[-1].backing.fileName.removesuffix(".vmdk") + "-flat.vmdk"
    assert world.send("PUT", world.url(second), bytes(range(255, -1, -1)) * 8192)[0] in (200, 201)
    annotation = 'a <b> & "c"'
    reconfigure(source, annotation=annotation)

    def export(machine):
        lease = machine.ExportVm()
        files, contents = [], []
        for url in ready(lease):
            status, data = world.send("GET", url.url)
            assert status == 200
            contents.append(data)
            files.append(vim.OvfManager.OvfFile(deviceId=url.key, path=url.targetId, size=len(data)))
        lease.HttpNfcLeaseProgress(99)
        sums = [entry.sha1 for entry in lease.HttpNfcLeaseGetManifest()]
        assert sums == [hashlib.sha1(data).hexdigest() for data in contents], sums
        lease.HttpNfcLeaseComplete()
        return files, contents

    files, contents = export(source)
    assert len(contents) == 2 and all(data[:4] == b"KDMV" for data in contents) and contents[0] != contents[1]
    described = world.content.ovfManager.CreateDescriptor(
        source, vim.OvfManager.CreateDescriptorParams(name="kept", ovfFiles=files))
    assert not described.error, described.error
    wishes = vim.OvfManager.CreateImportSpecParams(
        locale="", deploymentOption="", entityName="back", diskProvisioning="thin")
    spec = world.content.ovfManager.CreateImportSpec(described.ovfDescriptor, world.pool, world.second, wishes)
    assert not spec.error and [item.size for item in spec.fileItem] == [len(data) for data in contents]
    lease = world.pool.ImportVApp(spec.importSpec, world.folder, world.cluster.host[0])
    by_path = dict(zip([file.path for file in files], contents))
    urls = {url.importKey: url for url in ready(lease)}
    assert world.at("DC0/vm/back").config.files.vmPathName.startswith("[LocalDS_1]")
    for item in spec.fileItem:
        headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk"}
        assert world.send("POST", urls[item.deviceId].url, by_path[item.path], **headers)[0] == 200
        lease.HttpNfcLeaseProgress(50)
    lease.HttpNfcLeaseComplete()
    back = lease.info.entity
    assert back == world.at("DC0/vm/back") and back.config.annotation == annotation
    assert back.config.hardware.memoryMB == source.config.hardware.memoryMB
    assert [type(found) for found in devices(back, device.VirtualDisk)] == [device.VirtualDisk] * 2
    assert [found.capacityInKB for found in devices(back, device.VirtualDisk)] == [1024, 2048]
    assert export(back)[1] == contents
    keeps_its_references(world, back)
    # A copy of what came in has the same bytes, too.
    copy = run(back.CloneVM_Task(world.folder, "again", vim.vm.CloneSpec(
        location=location(world, datastore=world.first), powerOn=False, template=False)))
    assert export(copy)[1] == contents
    expect(vim.fault.InvalidPowerState, world.at("DC0/vm/DC0_C0_RP0_VM0").ExportVm)


def what_is_told(world):
    """Watches a machine while it lives: every change once and in order; tasks and events agree with what was done."""
    collector = vmodl.query.PropertyCollector
    begun = world.instance.CurrentTime()
    spec = vim.vm.ConfigSpec(name="watched", guestId="otherGuest64", numCPUs=1, memoryMB=128,
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"))
    machine = run(world.folder.CreateVM_Task(spec, world.pool, None))
    watched = world.instance.RetrieveContent().propertyCollector.CreatePropertyCollector()
    watched.CreateFilter(collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=machine)],
        propSet=[collector.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState", "name", "snapshot.currentSnapshot"])]), False)
    seen, version = [], ""

    def look():
        nonlocal version
        while update := watched.WaitForUpdatesEx(version, collector.WaitOptions(maxWaitSeconds=0)):
            version = update.version
            for change in update.filterSet[0].objectSet[0].changeSet:
                if change.name == "runtime.powerState":
                    seen.append(change.val)
            if not update.truncated:
                continue

    look()
    for call in (machine.PowerOnVM_Task, machine.SuspendVM_Task, machine.PowerOnVM_Task, machine.ResetVM_Task,
                 machine.PowerOffVM_Task):
        run(call())
        look()
    assert seen == ["poweredOff", "poweredOn", "suspended", "poweredOn", "poweredOff"], seen
    run(machine.Rename_Task("renamed"))
    run(machine.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="x")))
    snapshot = run(machine.CreateSnapshot_Task("s", "", False, False))
    run(snapshot.RevertToSnapshot_Task())
    run(machine.RemoveAllSnapshots_Task())
    expect(vim.fault.InvalidPowerState, machine.SuspendVM_Task)

    names = ["PowerOnVM_Task", "SuspendVM_Task", "PowerOnVM_Task", "ResetVM_Task", "PowerOffVM_Task", "Rename_Task",
              "ReconfigVM_Task", "CreateSnapshot_Task", "RevertToSnapshot_Task", "RemoveAllSnapshots_Task", "SuspendVM_Task"]
    by_entity = vim.TaskFilterSpec.ByEntity(entity=machine, recursion="self")
    tasks = []
    reader = world.content.taskManager.CreateCollectorForTasks(vim.TaskFilterSpec(entity=by_entity))
    reader.RewindCollector()
    while page := reader.ReadNextTasks(3):
        tasks += page
    reader.DestroyCollector()
    assert [info.name.info.wsdlName for info in tasks] == names
    assert [info.state for info in tasks] == ["success"] * (len(names) - 1) + ["error"]
    assert isinstance(tasks[-1].error, vim.fault.InvalidPowerState) and tasks[-1].error.msg
    times = [(info.queueTime, info.startTime, info.completeTime) for info in tasks]
    assert times == sorted(times) and all(queued <= started <= done for queued, started, done in times)
    assert all(info.entity == machine and info.entityName in ("watched", "renamed") for info in tasks), tasks
    assert all(info.reason.userName for info in tasks)

    events = events_of(world, machine)
    kinds = [type(event).__name__.split(".")[-1] for event in events]
    told = [kind for kind in kinds if kind != "TaskEvent"]
    assert [event.key for event in events] == sorted(event.key for event in events)
    assert len({event.key for event in events}) == len(events)
    wanted = [
        "VmBeingCreatedEvent", "VmInstanceUuidAssignedEvent", "VmUuidAssignedEvent", "VmCreatedEvent",
        "VmStartingEvent", "VmPoweredOnEvent", "VmSuspendingEvent", "VmSuspendedEvent", "VmResumingEvent",
        "VmPoweredOnEvent", "VmResettingEvent", "VmStoppingEvent", "VmPoweredOffEvent", "VmRenamedEvent",
        "VmReconfiguredEvent",
    ]
    assert told[: len(wanted)] == wanted, told
    assert kinds.count("TaskEvent") == len(tasks), (kinds, len(tasks))
    for event in events:
        assert event.fullFormattedMessage and event.createdTime >= begun and event.vm.vm == machine, event
        assert event.datacenter.datacenter == world.datacenter and event.host.host and event.userName is not None
    starts = events_of(world, machine, eventTypeId=["VmPoweredOnEvent"])
    assert len(starts) == 2 and all(isinstance(event, vim.event.VmPoweredOnEvent) for event in starts)
    chain = {event.chainId for event in events if isinstance(event, (vim.event.VmStartingEvent, vim.event.VmPoweredOnEvent))}
    assert len(chain) == 2, chain
    queried = world.content.eventManager.QueryEvents(vim.event.EventFilterSpec(
        entity=vim.event.EventFilterSpec.ByEntity(entity=machine, recursion="self")))
    assert [event.key for event in queried] == [event.key for event in events]
    above = world.content.eventManager.QueryEvents(vim.event.EventFilterSpec(
        entity=vim.event.EventFilterSpec.ByEntity(entity=world.folder, recursion="children"), time=vim.event.EventFilterSpec.ByTime(beginTime=begun)))
    assert {event.key for event in events} <= {event.key for event in above}
    run(machine.Destroy_Task())
    gone = world.content.eventManager.QueryEvents(vim.event.EventFilterSpec(eventTypeId=["VmRemovedEvent"]))
    assert gone[-1].vm.name == "renamed" or gone[0].vm.name == "renamed"



def main():
    with simulator("-ds", "2") as (host, port):
        instance = SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)
        world = World(instance, host, port)
        for scenario in (
            made_from_nothing,
            every_class_of_device,
            what_is_refused,
            changes_while_it_runs,
            a_tree_of_snapshots,
            copies,
            moves,
            names,
            out_and_in_again,
            what_is_told,
        ):
            scenario(world)
            print(f"{scenario.__name__}: ok")
        Disconnect(instance)


if __name__ == "__main__":
    main()
