"""Changes the inventory with pyVmomi, and checks that the changes are seen, by reading and by waiting."""

import threading

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from faults import expect
from simulator import simulator


def folders_and_datacenters(content):
    root = content.rootFolder
    folder = root.CreateFolder("folder")
    datacenter = folder.CreateDatacenter("datacenter")
    assert datacenter.parent == folder and folder.childEntity == [datacenter]
    assert datacenter.vmFolder.childType == ["Folder", "VirtualMachine", "VirtualApp"] or datacenter.vmFolder.childType
    expect(vim.fault.DuplicateName, root.CreateFolder, "folder")
    expect(vim.fault.InvalidName, root.CreateFolder, "")
    WaitForTask(datacenter.Rename_Task("renamed"))
    assert datacenter.name == "renamed"
    assert content.searchIndex.FindByInventoryPath("folder/renamed") == datacenter
    assert content.searchIndex.FindChild(folder, "renamed") == datacenter
    WaitForTask(folder.Destroy_Task())
    assert content.searchIndex.FindByInventoryPath("folder") is None
    expect(vmodl.fault.ManagedObjectNotFound, lambda: folder.name)


def hosts_and_clusters(content):
    datacenter = content.searchIndex.FindByInventoryPath("DC0")
    cluster = datacenter.hostFolder.CreateClusterEx("cluster", vim.cluster.ConfigSpecEx())
    spec = vim.host.ConnectSpec(hostName="host.example.com", userName="root", password="secret", force=True)
    task = cluster.AddHost_Task(spec, True)
    WaitForTask(task)
    host = task.info.result
    assert host.parent == cluster and cluster.host == [host]
    assert cluster.summary.numHosts == 1 and cluster.summary.totalCpu > 0
    assert content.searchIndex.FindByDnsName(dnsName="host.example.com", vmSearch=False) == host
    assert content.searchIndex.FindByUuid(uuid=host.hardware.systemInfo.uuid, vmSearch=False) == host
    expect(vim.fault.DuplicateName, cluster.AddHost_Task, spec, True)

    options = host.configManager.advancedOption
    options.UpdateOptions([vim.option.OptionValue(key="My.option", value="yes")])
    assert [option.value for option in options.QueryOptions("My.option")] == ["yes"]
    expect(vim.fault.InvalidName, options.QueryOptions, "No.such.option")
    others = [other for other in datacenter.hostFolder.childEntity if other != cluster]
    expect(vim.fault.InvalidName, others[0].host[0].configManager.advancedOption.QueryOptions, "My.option")

    WaitForTask(host.DisconnectHost_Task())
    assert host.runtime.connectionState == "disconnected"
    WaitForTask(host.ReconnectHost_Task())
    WaitForTask(host.EnterMaintenanceMode_Task(0))
    assert host.summary.runtime.inMaintenanceMode and cluster.summary.numEffectiveHosts == 0
    WaitForTask(host.ExitMaintenanceMode_Task(0))
    WaitForTask(host.Destroy_Task())
    assert cluster.host == [] and cluster.summary.numHosts == 0
    WaitForTask(cluster.Destroy_Task())

    events = content.eventManager.latestEvent
    assert events is not None and events.fullFormattedMessage


def waiting(instance, content):
    """A wait that another thread's change ends."""
    collector = vmodl.query.PropertyCollector
    spec = collector.FilterSpec(
        objectSet=[collector.ObjectSpec(obj=content.rootFolder)],
        propSet=[collector.PropertySpec(type=vim.Folder, pathSet=["childEntity"])],
    )
    watched = content.propertyCollector.CreateFilter(spec, True)
    first = content.propertyCollector.WaitForUpdatesEx("", None)
    assert [update.kind for update in first.filterSet[0].objectSet] == ["enter"]
    adder = threading.Timer(0.1, lambda: content.rootFolder.CreateFolder("watched"))
    adder.start()
    second = content.propertyCollector.WaitForUpdatesEx(first.version, collector.WaitOptions(maxWaitSeconds=30))
    adder.join()
    change = second.filterSet[0].objectSet[0].changeSet[0]
    assert change.name.startswith("childEntity"), change
    expect(vmodl.query.InvalidCollectorVersion, content.propertyCollector.WaitForUpdatesEx, "nonsense", None)
    watched.Destroy()
    assert content.propertyCollector.WaitForUpdatesEx("", collector.WaitOptions(maxWaitSeconds=0)) is None


def views(content):
    manager = content.viewManager
    everything = manager.CreateContainerView(content.rootFolder, [], True)
    hosts = manager.CreateContainerView(content.rootFolder, [vim.HostSystem], True)
    assert hosts.view and set(hosts.view) <= set(everything.view)
    listed = manager.CreateListView(hosts.view[:1])
    assert list(listed.Modify(add=hosts.view[1:], remove=None)) == []
    assert set(listed.view) == set(hosts.view)
    inventory = manager.CreateInventoryView()
    assert list(inventory.view) == [content.rootFolder]
    inventory.OpenFolder([content.rootFolder])
    assert set(content.rootFolder.childEntity) <= set(inventory.view)
    for view in (everything, hosts, listed, inventory):
        view.Destroy()
    network = content.searchIndex.FindByInventoryPath("DC0/network/VM Network")
    expect(vmodl.fault.InvalidArgument, manager.CreateContainerView, network, [], True)


def main():
    with simulator() as (host, port):
        instance = SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)
        content = instance.RetrieveContent()
        folders_and_datacenters(content)
        hosts_and_clusters(content)
        waiting(instance, content)
        views(content)
        assert content.sessionManager.currentSession.userName == "user"
        Disconnect(instance)
        print(f"{instance._stub.version}: folders, hosts, waits, views: as they should be")


if __name__ == "__main__":
    main()
