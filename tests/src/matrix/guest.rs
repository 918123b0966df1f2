//! One boot of one kernel: what the guest does, and how QEMU is called.

use super::Fault;
use super::archive::{at, run};
use super::initramfs::Initramfs;
use super::modules::Unpacked;
use super::suites::Suite;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A guest that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// No boot with all its suites takes longer.
const BOOT_MAX: Duration = Duration::from_secs(1500);
/// One suite on one file system, inside the guest. Units: seconds.
const SUITE_SECONDS: u32 = 600;
/// A rule of the ring's pins 1 GiB and a page, which the newest kernels allow.
const MEMORY_MIB: &str = "2560";
/// How many random programs the differential test runs: each takes seconds under emulation.
const PROGRAMS: u32 = 12;
/// Sparse.
const DISK_LEN_BYTES: u64 = 512 << 20;

/// The disks of a guest: what the table calls each, what makes its file system, how the guest
/// mounts it.
const DISKS: [Disk; 3] = [
    Disk { name: "ext4", make: &["mkfs.ext4", "-q", "-F"], device: "/dev/vda", kind: "ext4" },
    Disk { name: "xfs", make: &["mkfs.xfs", "-q", "-f"], device: "/dev/vdb", kind: "xfs" },
    Disk { name: "nvme", make: &["mkfs.ext4", "-q", "-F"], device: "/dev/nvme0n1", kind: "ext4" },
];

#[derive(Clone, Copy, Debug)]
struct Disk {
    name: &'static str,
    make: &'static [&'static str],
    device: &'static str,
    kind: &'static str,
}

/// Boots the kernel, runs every suite on its disks, and answers all that the guest printed.
///
/// # Errors
/// When a tool is missing, or the guest hangs.
pub fn boot(
    kernel: &Unpacked,
    suites: &[(Suite, PathBuf)],
    folder: &Path,
) -> Result<String, Fault> {
    let initrd = folder.join("initrd");
    image(kernel, suites)?.write(&initrd)?;
    let disks: Vec<PathBuf> =
        DISKS.iter().map(|disk| make(disk, folder)).collect::<Result<_, _>>()?;
    let result = watch(qemu(kernel, &initrd, &disks), &folder.join("console.log"));
    for disk in &disks {
        fs::remove_file(disk).map_err(at(disk))?;
    }
    result
}

/// The archive that the guest boots from.
fn image(kernel: &Unpacked, suites: &[(Suite, PathBuf)]) -> Result<Initramfs, Fault> {
    let mut image = Initramfs::new();
    for folder in ["bin", "modules", "proc", "sys", "dev", "tmp", "disk", "etc"] {
        image.folder(folder);
    }
    image.copy("bin/busybox", &busybox()?)?;
    for (number, module) in kernel.modules.iter().enumerate() {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        image.copy(&format!("modules/{number:03}-{name}"), module)?;
    }
    for (suite, binary) in suites {
        image.copy(&format!("bin/{}", suite.name), binary)?;
    }
    let wanted: Vec<Suite> = suites.iter().map(|(suite, _)| *suite).collect();
    image.program("etc/passwd", b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
    image.program("init", script(&wanted).as_bytes());
    Ok(image)
}

/// The static shell of the guests.
///
/// # Errors
/// When it is not installed.
pub fn busybox() -> Result<PathBuf, Fault> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or_else(|| "busybox is not there: install busybox-static".to_owned())
}

/// What the guest does. Every line that is for us begins with `@@`. The NVMe disk has polled
/// queues, for IOPOLL.
fn script(wanted: &[Suite]) -> String {
    let mut script = String::from(
        "#!/bin/busybox sh\n\
         /bin/busybox --install -s /bin\n\
         export PATH=/bin\n\
         mount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t devtmpfs dev /dev\n\
         mount -t tmpfs tmp /tmp\n\
         echo 1 > /proc/sys/kernel/printk\n\
         for module in /modules/*; do\n\
         case $module in *-nvme.ko) with=poll_queues=1 ;; *) with= ;; esac\n\
         insmod $module $with 2>/dev/null\n\
         done\n\
         ip link set lo up\n\
         ulimit -n 4096\n\
         echo; echo \"@@ kernel $(uname -r)\"\n",
    );
    for Disk { name, device, kind, .. } in DISKS {
        script.push_str(&format!(
            "mkdir /disk/{name}\n\
             mount -t {kind} {device} /disk/{name} || echo '@@ nodisk {name}'\n"
        ));
        for suite in wanted.iter().filter(|suite| suite.disks.contains(&name)) {
            script.push_str(&suite_lines(suite, name));
        }
    }
    script.push_str("echo '@@ done'\nsync\npoweroff -f\n");
    script
}

fn suite_lines(suite: &Suite, disk: &str) -> String {
    let name = suite.name;
    let arguments = suite.arguments.join(" ");
    format!(
        "echo '@@ begin {name} {disk}'\n\
         TMPDIR=/disk/{disk} IOMILL_TEST_FOLDER=/disk/{disk} RUST_TEST_THREADS=2 \
         IOMILL_PROGRAMS={PROGRAMS} IOMILL_MAY_SET_SYSCTLS=1 \
         timeout {SUITE_SECONDS} /bin/{name} {arguments} 2>&1\n\
         echo \"@@ end {name} {disk} $?\"\n"
    )
}

fn make(disk: &Disk, folder: &Path) -> Result<PathBuf, Fault> {
    let path = folder.join(format!("{}.disk", disk.name));
    let file = fs::File::create(&path).map_err(at(&path))?;
    file.set_len(DISK_LEN_BYTES).map_err(at(&path))?;
    run(Command::new(disk.make[0]).args(&disk.make[1..]).arg(&path))?;
    Ok(path)
}

fn qemu(kernel: &Unpacked, initrd: &Path, disks: &[PathBuf]) -> Command {
    let drive = |path: &Path, what: &str| format!("file={},format=raw,{what}", path.display());
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY_MIB])
        .args(["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"])
        .args(["-drive", &drive(&disks[0], "if=virtio")])
        .args(["-drive", &drive(&disks[1], "if=virtio")])
        .args(["-drive", &drive(&disks[2], "if=none,id=nvme")])
        .args(["-device", "nvme,drive=nvme,serial=iomill"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the guest to its end and collects what it prints, also in a file to follow; one that hangs
/// is killed.
fn watch(mut command: Command, log: &Path) -> Result<String, Fault> {
    let mut log_file = fs::File::create(log).map_err(at(log))?;
    let mut guest = command.spawn().map_err(|error| {
        format!("qemu-system-x86_64 cannot be started: {error}: install qemu-system-x86")
    })?;
    let lines = lines(&mut guest);
    let begin = Instant::now();
    let mut text = String::new();
    loop {
        match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => {
                let line = line.trim_end();
                writeln!(log_file, "{line}").map_err(at(log))?;
                text.push_str(line);
                text.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err(kill(&mut guest, &text, "said nothing")),
        }
        if begin.elapsed() > BOOT_MAX {
            return Err(kill(&mut guest, &text, "took too long"));
        }
    }
    guest.wait().map_err(|error| format!("the guest cannot be waited for: {error}"))?;
    Ok(text)
}

/// What the guest prints, line by line, from a thread that ends with it.
fn lines(guest: &mut Child) -> Receiver<String> {
    let (send, receive) = channel();
    let Some(console) = guest.stdout.take() else { return receive };
    std::thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

fn kill(guest: &mut Child, text: &str, what: &str) -> Fault {
    // It may have ended by itself meanwhile.
    let _ = guest.kill();
    let _ = guest.wait();
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    format!("the guest {what}; its last lines: {}", last.join(" | "))
}
