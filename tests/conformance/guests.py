"""Puts containers behind virtual machines of a real engine with pyVmomi, and does guest operations in them.

Without an engine this says so and passes, except in CI, which has to have one.
"""

import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim

from containers import docker, inspect, make_image
from simulator import simulator

IMAGE = "vimsim-busybox:test"
AUTH = vim.vm.guest.NamePasswordAuthentication(username="user", password="pass", interactiveSession=False)


def machine_of(content, name):
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    found = [machine for machine in view.view if machine.name == name]
    view.Destroy()
    return found[0]


def set_keys(machine, **keys):
    options = [vim.option.OptionValue(key=key.replace("_", "."), value=value) for key, value in keys.items()]
    WaitForTask(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options)))


def expect(fault, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except fault:
        return
    raise AssertionError(f"{call.__name__} raised no {fault.__name__}")


def until(what, is_so, limit=5.0):
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < limit, f"{what} has not come true"
        time.sleep(0.02)
    return time.monotonic() - begun


def a_machine_becomes_a_container(content):
    machine = machine_of(content, "DC0_H0_VM0")
    if machine.runtime.powerState != "poweredOff":
        WaitForTask(machine.PowerOffVM_Task())
    set_keys(machine, RUN_container=f"--tmpfs /tmp {IMAGE} sleep 100000", RUN_env_COLOUR="light blue", guestinfo_a_b="c")
    WaitForTask(machine.PowerOnVM_Task())
    name = f"vcsim-{machine.name}-{machine.config.uuid}"
    seen = inspect(name)
    assert seen["State"]["Running"]
    address = seen["NetworkSettings"]["IPAddress"]
    guest = machine.guest
    assert [guest.ipAddress, machine.summary.guest.ipAddress, guest.net[0].ipAddress[0]] == [address] * 3, guest
    assert guest.hostName == seen["Config"]["Hostname"] == machine.summary.guest.hostName
    assert guest.ipStack[0].ipRouteConfig.ipRoute[0].gateway.ipAddress == seen["NetworkSettings"]["Gateway"]
    assert guest.toolsRunningStatus == "guestToolsRunning" and guest.guestOperationsReady
    assert content.searchIndex.FindByIp(ip=address, vmSearch=True) == machine
    card = [device for device in machine.config.hardware.device if isinstance(device, vim.vm.device.VirtualEthernetCard)][0]
    assert card.macAddress == guest.net[0].macAddress == seen["NetworkSettings"]["MacAddress"]
    assert docker("exec", name, "cat", "/sys/class/dmi/id/product_serial").startswith("VMware-" + machine.config.uuid[:2])
    docker("exec", name, "ls", "/sys/class/net/eth0")
    return machine, name


def fetch(url, port, data=None):
    url = re.sub(r"^https://\*:\d+", f"https://127.0.0.1:{port}", url)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request = urllib.request.Request(url, data=data, method="PUT" if data is not None else "GET")
    with urllib.request.urlopen(request, context=context) as answer:
        return answer.read()


def files(manager, machine, port):
    manager.MakeDirectoryInGuest(machine, AUTH, "/tmp/a", False)
    expect(vim.fault.FileAlreadyExists, manager.MakeDirectoryInGuest, machine, AUTH, "/tmp/a", False)
    expect(vim.fault.FileNotFound, manager.MakeDirectoryInGuest, machine, AUTH, "/tmp/b/c", False)
    manager.MakeDirectoryInGuest(machine, AUTH, "/tmp/b/c", True)
    attributes = vim.vm.guest.FileManager.PosixFileAttributes(permissions=0o640)
    data = os.urandom(3_000_000)
    url = manager.InitiateFileTransferToGuest(machine, AUTH, "/tmp/a/it's", attributes, len(data), False)
    fetch(url, port, data)
    expect(vim.fault.FileAlreadyExists, manager.InitiateFileTransferToGuest, machine, AUTH, "/tmp/a/it's", attributes, 1, False)
    info = manager.InitiateFileTransferFromGuest(machine, AUTH, "/tmp/a/it's")
    assert info.size == len(data) and info.attributes.permissions == 0o640, info
    assert fetch(info.url, port) == data
    try:
        fetch(re.sub("token=.", "token=x", info.url), port)
        raise AssertionError("a token that was not given out is good")
    except urllib.error.HTTPError as error:
        assert error.code == 404, error
    expect(vim.fault.FileNotFound, manager.InitiateFileTransferFromGuest, machine, AUTH, "/tmp/none")
    expect(vim.fault.NotAFile, manager.InitiateFileTransferFromGuest, machine, AUTH, "/tmp")

    listing = manager.ListFilesInGuest(machine, AUTH, "/tmp/a")
    assert [(file.path, file.type) for file in listing.files] == [("/tmp/a", "directory"), ("/tmp/a/it's", "file")], listing
    listing = manager.ListFilesInGuest(machine, AUTH, "/tmp", 0, 1)
    assert len(listing.files) == 1 and listing.remaining == 2, listing
    assert [file.path for file in manager.ListFilesInGuest(machine, AUTH, "/tmp", matchPattern="^a$").files] == ["/tmp/a"]
    expect(vim.fault.FileNotFound, manager.ListFilesInGuest, machine, AUTH, "/none")
    expect(vim.fault.DirectoryNotEmpty, manager.DeleteDirectoryInGuest, machine, AUTH, "/tmp/a", False)
    expect(vim.fault.NotAFile, manager.DeleteFileInGuest, machine, AUTH, "/tmp/a")
    manager.MoveDirectoryInGuest(machine, AUTH, "/tmp/a", "/tmp/d")
    manager.MoveFileInGuest(machine, AUTH, "/tmp/d/it's", "/tmp/moved", False)
    expect(vim.fault.FileNotFound, manager.DeleteFileInGuest, machine, AUTH, "/tmp/d/it's")
    first = manager.CreateTemporaryFileInGuest(machine, AUTH, "x-", ".y", "/tmp")
    expect(vim.fault.FileAlreadyExists, manager.MoveFileInGuest, machine, AUTH, "/tmp/moved", first, False)
    manager.MoveFileInGuest(machine, AUTH, "/tmp/moved", first, True)
    assert first.startswith("/tmp/x-") and first.endswith(".y"), first
    folder = manager.CreateTemporaryDirectoryInGuest(machine, AUTH, "x-", ".y", "/tmp")
    assert folder != first
    owner = vim.vm.guest.FileManager.PosixFileAttributes(ownerId=1000, groupId=1000, permissions=0o700)
    manager.ChangeFileAttributesInGuest(machine, AUTH, first, owner)
    file = manager.ListFilesInGuest(machine, AUTH, first).files[0]
    assert (file.attributes.ownerId, file.attributes.groupId, file.attributes.permissions) == (1000, 1000, 0o700), file
    windows = vim.vm.guest.FileManager.WindowsFileAttributes(hidden=True)
    expect(vim.fault.OperationNotSupportedByGuest, manager.ChangeFileAttributesInGuest, machine, AUTH, first, windows)
    for path in ["/tmp/d", "/tmp/b", folder]:
        manager.DeleteDirectoryInGuest(machine, AUTH, path, True)
    manager.DeleteFileInGuest(machine, AUTH, first)
    expect(vim.fault.NotADirectory, manager.DeleteDirectoryInGuest, machine, AUTH, "/etc/passwd", True)
    assert [file.path for file in manager.ListFilesInGuest(machine, AUTH, "/tmp").files] == ["/tmp"]


def programs(manager, machine):
    spec = vim.vm.guest.ProcessManager.ProgramSpec
    start = lambda *arguments, **named: manager.StartProgramInGuest(machine, AUTH, spec(*arguments, **named))
    ended = lambda pid: manager.ListProcessesInGuest(machine, AUTH, [pid])[0].endTime is not None
    pid = start(programPath="/bin/sh", arguments="-c 'echo $A-$PWD; exit 3' > /tmp/out", workingDirectory="/etc", envVariables=["A=b c"])
    until("the end of a program", lambda: ended(pid))
    process = manager.ListProcessesInGuest(machine, AUTH, [pid])[0]
    assert (process.name, process.owner, process.exitCode) == ("sh", "user", 3), process
    name = f"vcsim-{machine.name}-{machine.config.uuid}"
    assert docker("exec", name, "cat", "/tmp/out") == "b c-/etc"
    pid = start(programPath="/bin/sleep", arguments="1000")
    running = {process.pid: process for process in manager.ListProcessesInGuest(machine, AUTH)}
    assert running[pid].endTime is None and running[1].cmdLine == "sleep 100000" and running[1].owner == "root", running
    manager.TerminateProcessInGuest(machine, AUTH, pid)
    until("the end of a program", lambda: ended(pid))
    expect(vim.fault.GuestProcessNotFound, manager.TerminateProcessInGuest, machine, AUTH, 999_999)
    expect(vim.fault.FileNotFound, start, programPath="/bin/none", arguments="")
    expect(vim.fault.CannotAccessFile, start, programPath="/etc/passwd", arguments="")
    expect(vim.fault.FileNotFound, start, programPath="/bin/true", arguments="", workingDirectory="/none")
    read = manager.ReadEnvironmentVariableInGuest
    names = ["COLOUR", "VMX_GUESTINFO_A_B", "VMX_GUESTINFO", "NONE"]
    assert read(machine, AUTH, names) == ["COLOUR=light blue", "VMX_GUESTINFO_A_B=c", "VMX_GUESTINFO=true"]
    assert "COLOUR=light blue" in read(machine, AUTH)


def guest_operations(content, machine, port):
    manager = content.guestOperationsManager
    files(manager.fileManager, machine, port)
    programs(manager.processManager, machine)
    auth = manager.authManager
    ticket = auth.AcquireCredentialsInGuest(machine, AUTH)
    auth.ValidateCredentialsInGuest(machine, ticket)
    auth.ReleaseCredentialsInGuest(machine, ticket)
    expect(vim.fault.InvalidGuestLogin, auth.ValidateCredentialsInGuest, machine, ticket)
    nobody = vim.vm.guest.NamePasswordAuthentication(username="", password="", interactiveSession=False)
    expect(vim.fault.InvalidGuestLogin, auth.ValidateCredentialsInGuest, machine, nobody)
    other = machine_of(content, "DC0_H0_VM1")
    expect(vim.fault.GuestOperationsUnavailable, auth.ValidateCredentialsInGuest, other, AUTH)
    expect(vim.fault.OperationNotSupportedByGuest, manager.aliasManager.ListGuestAliases, machine, AUTH, "user")


def life(content, machine, name):
    state = lambda wanted: lambda: machine.runtime.powerState == wanted
    took = []
    for command, wanted in [("kill", "poweredOff"), ("start", "poweredOn"), ("pause", "suspended"), ("unpause", "poweredOn")]:
        docker(command, name)
        took.append(until(wanted, state(wanted), 1.0))
    print(f"  changes were told within {max(took) * 1000:.0f} ms")
    status = lambda: inspect(name)["State"]["Status"]
    WaitForTask(machine.SuspendVM_Task())
    assert status() == "paused" and machine.runtime.powerState == "suspended"
    WaitForTask(machine.PowerOnVM_Task())
    WaitForTask(machine.ResetVM_Task())
    assert status() == "running" and machine.guest.ipAddress == inspect(name)["NetworkSettings"]["IPAddress"]
    WaitForTask(machine.PowerOffVM_Task())
    assert status() == "exited" and machine.guest.ipAddress is None
    auth = content.guestOperationsManager.authManager
    expect(vim.fault.InvalidPowerState, auth.ValidateCredentialsInGuest, machine, AUTH)
    set_keys(machine, RUN_container="no/such:image")
    try:
        WaitForTask(machine.PowerOnVM_Task())
        raise AssertionError("an image that is not there is found")
    except vim.fault.PlatformConfigFault as fault:
        assert "no/such" in fault.msg, fault.msg
    set_keys(machine, RUN_container=f"{IMAGE} sleep 100000")
    WaitForTask(machine.PowerOnVM_Task())
    WaitForTask(machine.PowerOffVM_Task())
    WaitForTask(machine.Destroy_Task())
    assert not docker("ps", "-aq", "--filter", f"name=^{name}$") and not docker("volume", "ls", "-q", "--filter", f"name={name}")


def main():
    if subprocess.run(["docker", "version"], capture_output=True).returncode:
        assert not os.environ.get("CI"), "CI needs a container engine"
        print("  not run: no container engine answers")
        return
    make_image()
    with simulator() as (host, port):
        instance = SmartConnect(host=host, port=port, user="user", pwd="pass", disableSslCertValidation=True)
        content = instance.RetrieveContent()
        machine, name = a_machine_becomes_a_container(content)
        guest_operations(content, machine, port)
        life(content, machine, name)
        Disconnect(instance)


if __name__ == "__main__":
    sys.exit(main())
