"""Puts containers behind hosts of a real engine with pyVmomi, and looks at them with the engine's own client.

Without an engine this says so and passes, except in CI, which has to have one.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from simulator import simulator

IMAGE = "vimsim-busybox:test"
# Nobody else's things have this in their names.
MARK = uuid.uuid4().hex[:8]
BLUE, GREEN = f"vimsim-blue-{MARK}", f"vimsim-green-{MARK}"
VALUE = json.dumps([IMAGE, "sleep", "100000"])


def docker(*arguments, check=True):
    run = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if check and run.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {run.stderr}")
    return run.stdout.strip()


def make_image():
    """An image of this machine's static busybox: no registry is needed."""
    if docker("images", "-q", IMAGE):
        return
    import io
    import tarfile

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
        for applet in set(applets) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    subprocess.run(["docker", "import", "-", IMAGE], input=archive.getvalue(), check=True, capture_output=True)


def connect(host, port):
    return SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)


def hosts(content):
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.HostSystem], True)
    found = {host.name: host for host in view.view}
    view.Destroy()
    return found


def set_options(host, **options):
    """Sets options, and waits for the task that comes of it."""
    values = [vim.option.OptionValue(key=key.replace("_", "."), value=value) for key, value in options.items()]
    host.configManager.advancedOption.UpdateOptions(values)
    WaitForTask(host.recentTask[-1])
    return host.recentTask[-1]


def inspect(name):
    return json.loads(docker("inspect", name))[0]


def container_of(host, instance=None):
    names = docker("ps", "-a", "--filter", f"label=vimsim.owner=HostSystem:{host._moId}", "--format", "{{.Names}}")
    mine = [name for name in names.split() if f"vcsim-{host.name}-" in name]
    networks = [name for name in mine if BLUE in inspect(name)["NetworkSettings"]["Networks"]]
    assert len(networks) == 1, f"containers behind {host.name}: {mine}"
    return networks[0]


def management(host):
    return host.config.network.vnic[0].spec


def wait_for_state(content, host, state, begin, limit=1.0):
    """Waits with WaitForUpdatesEx until the host's connectionState is this; it must come within a second of `begin`."""
    spec = vmodl.query.PropertyCollector.FilterSpec(
        objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=host)],
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.HostSystem, pathSet=["runtime.connectionState"])],
    )
    collector = content.propertyCollector
    watch = collector.CreateFilter(spec, True)
    version, begun = "", None
    try:
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=10)
        while True:
            update = collector.WaitForUpdatesEx(version, options)
            assert update, f"{host.name} does not become {state}"
            version = update.version
            changes = [change for s in update.filterSet for o in s.objectSet for change in o.changeSet]
            if begun is None:
                begun = time.monotonic()
                begin()
                # What the command itself takes is not ours.
                begun = time.monotonic()
            if any(change.val == state for change in changes):
                took = time.monotonic() - begun
                assert took < limit, f"{state} came after {took:.2f} s"
                return took
    finally:
        watch.Destroy()


def a_host_becomes_a_container(content, name):
    host, other = hosts(content)[name], None
    set_options(host, RUN_underlay_vmnic0=BLUE, RUN_underlay_vmnic1=GREEN, RUN_container=VALUE)
    container = container_of(host)
    uuid_of = host.hardware.systemInfo.uuid
    assert container.startswith(f"vcsim-{host.name}-{uuid_of}"), container
    seen = inspect(container)
    assert seen["State"]["Running"]
    networks = seen["NetworkSettings"]["Networks"]
    assert set(networks) == {BLUE, GREEN}, networks.keys()

    # Addresses.
    spec = management(host)
    assert spec.ip.ipAddress == networks[BLUE]["IPAddress"] and spec.mac == networks[BLUE]["MacAddress"]
    for pnic, network in zip(host.config.network.pnic, [BLUE, GREEN]):
        assert pnic.spec.ip.ipAddress == networks[network]["IPAddress"], pnic.device
        assert pnic.mac == networks[network]["MacAddress"], pnic.device
    answer = host.configManager.virtualNicManager.QueryNetConfig("management")
    assert [nic.spec.ip.ipAddress for nic in answer.candidateVnic] == [spec.ip.ipAddress]
    assert content.searchIndex.FindByIp(ip=spec.ip.ipAddress, vmSearch=False) == host

    # File systems.
    mounts = docker("exec", container, "mount")
    for info in host.config.fileSystemVolume.mountInfo:
        mode = "ro" if info.mountInfo.accessMode == "readOnly" else "rw"
        assert any(info.mountInfo.path + " " in line and f"({mode}," in line for line in mounts.splitlines()), info
        link = docker("exec", container, "readlink", f"/vmfs/volumes/{info.volume.name}")
        assert link == info.mountInfo.path, link
    data = docker("exec", container, "readlink", "/var/lib/vmware/osdata")
    assert data in [info.mountInfo.path for info in host.config.fileSystemVolume.mountInfo]
    docker("exec", container, "touch", "/vmfs/volumes/datastore1/file")
    return host, container


def containers_change_behind_our_back(content, host, container):
    took = [
        wait_for_state(content, host, "notResponding", lambda: docker("kill", container)),
        wait_for_state(content, host, "connected", lambda: docker("start", container)),
        wait_for_state(content, host, "notResponding", lambda: docker("pause", container)),
        wait_for_state(content, host, "connected", lambda: docker("unpause", container)),
        wait_for_state(content, host, "notResponding", lambda: docker("rm", "-f", container)),
    ]
    print(f"  changes were told within {max(took) * 1000:.0f} ms")
    alarms = [state for state in host.triggeredAlarmState if state.entity == host]
    assert alarms or not content.alarmManager, "no alarm was triggered"


def mounted_volumes(container):
    return [mount["Name"] for mount in inspect(container)["Mounts"]]


def expect_gone(containers, volumes, networks):
    for container in containers:
        assert not docker("ps", "-aq", "--filter", f"name=^{container}$"), f"{container} is left"
    for volume in volumes:
        assert not docker("volume", "ls", "-q", "--filter", f"name={volume}"), f"{volume} is left"
    for network in networks:
        assert not docker("network", "ls", "-q", "--filter", f"name=^{network}$"), f"{network} is left"


def virtual_center(host, port):
    instance = connect(host, port)
    content = instance.RetrieveContent()
    first, container = a_host_becomes_a_container(content, "DC0_H0")

    # Another one, added with its options, reaches the first.
    folder = content.searchIndex.FindByInventoryPath("DC0/host")
    params = [("RUN.container", VALUE), ("RUN.underlay.vmnic0", BLUE), ("RUN.underlay.vmnic1", GREEN)]
    gateway = vim.host.GatewaySpec(
        gatewayType="vimsim", hostAuthParams=[vim.KeyValue(key=key, value=value) for key, value in params]
    )
    name = f"esx-{MARK}.example.com"
    spec = vim.host.ConnectSpec(hostName=name, userName="root", password="x", force=True, hostGateway=gateway)
    task = folder.AddStandaloneHost_Task(spec, None, True, None)
    WaitForTask(task)
    second = task.info.result.host[0]
    assert management(second).ip.ipAddress != management(first).ip.ipAddress
    docker("exec", container, "ping", "-c", "1", "-W", "5", management(second).ip.ipAddress)
    docker("exec", container_of(second), "ping", "-c", "1", "-W", "5", management(first).ip.ipAddress)

    containers_change_behind_our_back(content, first, container)
    WaitForTask(first.ReconnectHost_Task())
    assert first.runtime.connectionState == "connected"
    container = container_of(first)
    assert management(first).ip.ipAddress == inspect(container)["NetworkSettings"]["Networks"][BLUE]["IPAddress"]
    docker("exec", container, "ls", "/vmfs/volumes/datastore1/file")
    WaitForTask(first.ShutdownHost_Task(True))
    assert inspect(container)["State"]["Status"] == "exited"
    WaitForTask(first.ReconnectHost_Task())
    WaitForTask(first.RebootHost_Task(True))
    assert inspect(container)["State"]["Running"] and first.runtime.connectionState == "connected"

    # The end: of a host, and of the option.
    both = [container, container_of(second)]
    volumes = [volume for name in both for volume in mounted_volumes(name)]
    WaitForTask(second.Destroy_Task())
    set_options(first, RUN_container="")
    expect_gone(both, volumes, [BLUE, GREEN])
    assert management(first).ip.ipAddress == "127.0.0.1"
    Disconnect(instance)


def esx(host, port):
    instance = connect(host, port)
    content = instance.RetrieveContent()
    host, container = a_host_becomes_a_container(content, "localhost.localdomain")
    containers_change_behind_our_back(content, host, container)
    volumes = list(docker("volume", "ls", "-q", "--filter", f"label=container={container}").split())
    set_options(host, RUN_container="")
    expect_gone([container], volumes, [BLUE, GREEN])
    Disconnect(instance)


def things_of(pid):
    """The containers, volumes and networks that a process has made."""
    found = []
    for what, names in [("ps", "{{.Names}}"), ("volume", "{{.Name}}"), ("network", "{{.Name}}")]:
        command = ["ps", "-a"] if what == "ps" else [what, "ls"]
        listing = docker(*command, "--filter", "label=vimsim.product", "--format", names + "|{{.Labels}}")
        found += [line.split("|")[0] for line in listing.splitlines() if f'"pid":{pid},' in line]
    return found


def start(*flags):
    command = [os.environ["VIMSIM"], "-l", "127.0.0.1:0", "-host-container", VALUE, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "GOVC_URL=" in line, line
    return process


def nothing_is_left():
    """Ten hosts by flag: a clean stop within 15 seconds; a kill, and the next start removes what is left."""
    ten = ["-host", "9", "-standalone-host", "1"]
    process = start(*ten)
    assert sum(name.startswith("vcsim-") for name in things_of(process.pid)) >= 10
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) == 0
    print(f"  10 hosts were gone {time.monotonic() - begun:.1f} s after SIGTERM")
    assert not things_of(process.pid), things_of(process.pid)

    bystander = f"vcsim-DC0_H0-{MARK}"
    docker("run", "-d", "--name", bystander, "--label", "vimsim=no", IMAGE, "sleep", "100000")
    process = start(*ten)
    process.kill()
    process.wait()
    assert things_of(process.pid)
    # Another service sweeps when it starts.
    other = start("-host", "0")
    deadline = time.monotonic() + 30
    while things_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = things_of(process.pid)
    running = docker("inspect", "--format", "{{.State.Running}}", bystander)
    docker("rm", "-f", bystander)
    other.terminate()
    assert other.wait(timeout=15) == 0
    assert not left, left
    assert running == "true", "the bystander was touched"


def main():
    found = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if found.returncode:
        print("containers: not run, there is no container engine", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
    make_image()
    with simulator() as (host, port):
        virtual_center(host, port)
        print("a vCenter's hosts are containers")
    with simulator("-esx") as (host, port):
        esx(host, port)
        print("an ESXi host is a container")
    nothing_is_left()
    print("nothing is left of services that end")


if __name__ == "__main__":
    main()
