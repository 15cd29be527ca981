"""What a scenario expects of calls that fail."""

from pyVim.task import WaitForTask
from pyVmomi import vim


def expect(fault, call, *arguments, **named):
    """Checks that a call, or the task that it starts, raises this fault, with a message."""
    try:
        result = call(*arguments, **named)
        if isinstance(result, vim.Task):
            WaitForTask(result)
    except fault as error:
        assert error.msg, f"{type(error).__name__} without a message"
        return error
    raise AssertionError(f"{call} did not raise {fault.__name__}")
