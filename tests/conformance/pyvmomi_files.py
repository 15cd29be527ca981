"""Puts files and disks on datastores, and takes a machine out and in again, with pyVmomi and plain HTTP."""

import hashlib
import http.client
import ssl
import time
import urllib.parse

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

from faults import expect
from simulator import simulator


class Files:
    """HTTP with the session of a pyVmomi connection."""

    def __init__(self, instance, host, port):
        self.cookie = instance._stub.cookie.split(";")[0]
        self.address = (host, port)

    def send(self, method, url, body=None, **headers):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(*self.address, context=ssl._create_unverified_context())
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body, {"Cookie": self.cookie, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def at(self, path):
        return f"/folder/{urllib.parse.quote(path)}?dcPath=DC0&dsName=LocalDS_0"


def files(content, http, datacenter, datastore):
    free = datastore.summary.freeSpace
    data = bytes(range(256)) * 4096
    assert http.send("PUT", http.at("a b/c.iso"), data)[0] == 201
    assert http.send("GET", http.at("a b/c.iso")) == (200, data)
    assert http.send("GET", http.at("a b/c.iso"), Range="bytes=10-13") == (206, data[10:14])
    assert datastore.summary.freeSpace == free - len(data)
    manager = content.fileManager
    manager.MakeDirectory("[LocalDS_0] d/e", datacenter, True)
    expect(vim.fault.FileAlreadyExists, manager.MakeDirectory, "[LocalDS_0] d/e", datacenter, False)
    WaitForTask(manager.CopyDatastoreFile_Task("[LocalDS_0] a b/c.iso", datacenter, "[LocalDS_0] d/c.iso", None, False))
    WaitForTask(manager.MoveDatastoreFile_Task("[LocalDS_0] d", datacenter, "[LocalDS_0] f", None, False))
    manager.ChangeOwner("[LocalDS_0] f/c.iso", datacenter, "somebody")
    details = vim.host.DatastoreBrowser.FileInfo.Details(
        fileType=True, fileSize=True, modification=True, fileOwner=True
    )
    spec = vim.host.DatastoreBrowser.SearchSpec(details=details, sortFoldersFirst=True, matchPattern=["*"])
    task = datastore.browser.SearchDatastore_Task("[LocalDS_0] f", spec)
    WaitForTask(task)
    found = task.info.result
    assert found.datastore == datastore and found.folderPath == "[LocalDS_0] f/"
    assert [type(file) for file in found.file] == [
        vim.host.DatastoreBrowser.FolderInfo,
        vim.host.DatastoreBrowser.IsoImageInfo,
    ]
    assert (found.file[1].fileSize, found.file[1].owner) == (len(data), "somebody")
    task = datastore.browser.SearchDatastoreSubFolders_Task("[LocalDS_0] f", spec)
    WaitForTask(task)
    assert [result.folderPath for result in task.info.result] == ["[LocalDS_0] f/", "[LocalDS_0] f/e/"]
    for path in ("[LocalDS_0] ../x", "/etc/passwd", "[LocalDS_0] a/../../x"):
        expect(vim.fault.InvalidDatastorePath, manager.DeleteDatastoreFile_Task, path, datacenter)
    for path in ("[LocalDS_0] f", "[LocalDS_0] a b"):
        WaitForTask(manager.DeleteDatastoreFile_Task(path, datacenter))
    expect(vim.fault.FileNotFound, manager.DeleteDatastoreFile_Task, "[LocalDS_0] f", datacenter)
    assert datastore.summary.freeSpace == free


def disks(content, http, datacenter, datastore):
    free = datastore.summary.freeSpace
    manager = content.virtualDiskManager
    content.fileManager.MakeDirectory("[LocalDS_0] disks", datacenter, False)
    name = "[LocalDS_0] disks/one.vmdk"
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=1024 * 1024
    )
    WaitForTask(manager.CreateVirtualDisk_Task(name, datacenter, spec))
    expect(vim.fault.FileAlreadyExists, manager.CreateVirtualDisk_Task, name, datacenter, spec)
    assert datastore.summary.freeSpace == free
    WaitForTask(manager.InflateVirtualDisk_Task(name, datacenter))
    assert datastore.summary.freeSpace == free - (1 << 30)
    expect(vim.fault.FileFault, manager.ExtendVirtualDisk_Task, name, datacenter, 1024, False)
    WaitForTask(manager.ExtendVirtualDisk_Task(name, datacenter, 2 * 1024 * 1024, False))
    manager.SetVirtualDiskUuid(name, datacenter, "60 00 C2 9f 4f 5d 6c 0f-1c f4 4d 6f 6d 5f 01 5e")
    assert manager.QueryVirtualDiskUuid(name, datacenter).replace("-", "").startswith("6000c29f")
    assert manager.QueryVirtualDiskFragmentation(name, datacenter) == 0
    assert manager.QueryVirtualDiskGeometry(name, datacenter).cylinder > 0
    WaitForTask(manager.CopyVirtualDisk_Task(name, datacenter, "[LocalDS_0] disks/two.vmdk", datacenter, None, False))
    WaitForTask(manager.MoveVirtualDisk_Task(name, datacenter, "[LocalDS_0] disks/three.vmdk", datacenter, False))
    query = vim.host.DatastoreBrowser.VmDiskQuery(
        details=vim.host.DatastoreBrowser.VmDiskQuery.Details(
            diskType=True, capacityKb=True, hardwareVersion=True, controllerType=True, diskExtents=True, thin=True
        )
    )
    task = datastore.browser.SearchDatastore_Task(
        "[LocalDS_0] disks", vim.host.DatastoreBrowser.SearchSpec(query=[query])
    )
    WaitForTask(task)
    assert [(disk.path, disk.capacityKb) for disk in task.info.result.file] == [
        ("three.vmdk", 2 * 1024 * 1024),
        ("two.vmdk", 2 * 1024 * 1024),
    ]
    WaitForTask(manager.DeleteVirtualDisk_Task("[LocalDS_0] disks/three.vmdk", datacenter))
    WaitForTask(content.fileManager.DeleteDatastoreFile_Task("[LocalDS_0] disks", datacenter))
    assert datastore.summary.freeSpace == free


def ready(lease):
    while lease.state == "initializing":
        time.sleep(0.01)
    assert lease.state == "ready", lease.error
    return lease.info.deviceUrl


def there_and_back(content, http, datacenter, datastore):
    """Exports a machine, imports what came out with other bytes in its disk, and exports that again."""
    machine = content.searchIndex.FindByInventoryPath("DC0/vm/DC0_H0_VM0")
    expect(vim.fault.InvalidPowerState, machine.ExportVm)
    WaitForTask(machine.PowerOffVM_Task())
    lease = machine.ExportVm()
    exported = []
    for url in ready(lease):
        status, data = http.send("GET", url.url)
        assert status == 200 and len(data) == url.fileSize
        lease.HttpNfcLeaseProgress(50)
        exported.append(vim.OvfManager.OvfFile(deviceId=url.key, path=url.targetId, size=len(data)))
        assert data[:4] == b"KDMV"
    manifest = lease.HttpNfcLeaseGetManifest()
    assert [entry.size for entry in manifest] == [file.size for file in exported]
    lease.HttpNfcLeaseComplete()
    expect(vim.fault.InvalidState, lease.HttpNfcLeaseComplete)
    described = content.ovfManager.CreateDescriptor(
        machine, vim.OvfManager.CreateDescriptorParams(name="box", ovfFiles=exported)
    )
    assert not described.error
    parsed = content.ovfManager.ParseDescriptor(
        described.ovfDescriptor, vim.OvfManager.ParseDescriptorParams(locale="", deploymentOption="")
    )
    assert parsed.defaultEntityName == "box" and not parsed.error
    pool = content.searchIndex.FindByInventoryPath("DC0/host/DC0_H0/Resources")
    network = vim.OvfManager.NetworkMapping(name=parsed.network[0].name, network=machine.network[0])
    wishes = vim.OvfManager.CreateImportSpecParams(
        locale="", deploymentOption="", entityName="box", networkMapping=[network], diskProvisioning="thin"
    )
    spec = content.ovfManager.CreateImportSpec(described.ovfDescriptor, pool, datastore, wishes)
    assert not spec.error and len(spec.fileItem) == len(exported)
    lease = pool.ImportVApp(spec.importSpec, datacenter.vmFolder)
    data = b"KDMV" + bytes(range(250)) * 1000
    for url in ready(lease):
        headers = {"Content-Type": "application/x-vnd.vmware-streamVmdk"}
        assert http.send("POST", url.url, data, **headers)[0] == 200
    assert lease.HttpNfcLeaseGetManifest()[0].sha1 == hashlib.sha1(data).hexdigest()
    lease.HttpNfcLeaseComplete()
    box = content.searchIndex.FindByInventoryPath("DC0/vm/box")
    assert box.network == machine.network and box.config.hardware.memoryMB == machine.config.hardware.memoryMB
    lease = box.ExportVm()
    assert http.send("GET", ready(lease)[0].url) == (200, data)
    lease.HttpNfcLeaseAbort()
    assert lease.state == "error" and lease.error.msg
    WaitForTask(box.Destroy_Task())
    assert http.send("GET", http.at("box/box.vmdk"))[0] == 404


def renamed(content, http, datacenter, datastore):
    """The files of machines move with the name of their datastore."""
    machine = content.searchIndex.FindByInventoryPath("DC0/vm/DC0_H0_VM1")
    datastore.RenameDatastore("other")
    assert machine.config.files.vmPathName == "[other] DC0_H0_VM1/DC0_H0_VM1.vmx"
    assert all(file.name.startswith("[other] ") for file in machine.layoutEx.file)
    datastore.RenameDatastore("LocalDS_0")
    assert http.send("GET", http.at("DC0_H0_VM1/DC0_H0_VM1.vmx"))[0] == 200


def main():
    with simulator() as (host, port):
        instance = SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)
        content = instance.RetrieveContent()
        http = Files(instance, host, port)
        datacenter = content.searchIndex.FindByInventoryPath("DC0")
        datastore = datacenter.datastore[0]
        for scenario in (files, disks, there_and_back, renamed):
            scenario(content, http, datacenter, datastore)
            print(f"{scenario.__name__}: ok")
        Disconnect(instance)


if __name__ == "__main__":
    main()
