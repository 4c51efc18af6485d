# Judges schemas by QEMU's own front end: it loads the schema whose main file each line of standard
# input names, and answers with a line that says where the first error is: "file:line" or
# "file:line:column". The line is empty if there is none, and begins with "!" if the front end
# breaks down. The only argument is the folder that holds the package qapi.
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

from qapi.error import QAPIError  # noqa: E402
from qapi.schema import QAPISchema  # noqa: E402


def judge(path):
    try:
        QAPISchema(path)
    except QAPIError as err:
        info, column = getattr(err, 'info', None), getattr(err, 'col', None)
        if info is None or info.fname is None:
            return '!' + str(err)
        return ':'.join(str(part) for part in (info.fname, info.line, column) if part is not None)
    except Exception as err:
        return '!' + repr(err)
    return ''


for line in sys.stdin:
    print(judge(line.rstrip('\n')).replace('\n', ' '), flush=True)
