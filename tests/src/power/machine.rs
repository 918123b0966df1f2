//! One guest under QEMU, without KVM: what it boots from, its two disks, and its sudden end.

use super::nbd::{Shared, serve};
use crate::matrix::archive::at;
use crate::matrix::initramfs::Initramfs;
use crate::matrix::modules::Unpacked;
use crate::matrix::{Fault, say};
use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

const MEMORY_MIB: &str = "768";
/// A guest from which nothing is heard for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// How an error begins that says so.
const NEVER_SPOKE: &str = "the guest broke off before it said anything";
/// How often a guest is booted that never speaks.
const BOOTS_MAX: u32 = 3;

/// How the guest sees the disk that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A flush for everything that has to last.
    Virtio,
    /// A disk that takes writes that last by themselves (FUA) besides. Not QEMU's NVMe disk: on it
    /// (7.2) acknowledged writes were lost.
    Scsi,
}

/// A guest that runs. When it is dropped it is killed, as by a loss of power.
#[derive(Debug)]
pub struct Machine {
    guest: Child,
    sockets: [PathBuf; 2],
}

impl Machine {
    /// Boots. `words` are what the program in it is called with, before the devices.
    ///
    /// # Errors
    /// When QEMU is missing or a socket cannot be made.
    pub fn boot(boot: &Boot, words: &str, disks: [Shared; 2], seed: u64) -> Result<Self, Fault> {
        let sockets = ["disk", "port"].map(|name| {
            // Short, whatever the build folder is called: a socket's address has 108 bytes.
            let name = format!("iomill-{}-{seed:x}-{name}", std::process::id());
            std::env::temp_dir().join(name)
        });
        for (socket, disk) in sockets.iter().zip(disks) {
            serve(UnixListener::bind(socket).map_err(at(socket))?, disk, seed);
        }
        let log = File::create(&boot.console).map_err(at(&boot.console))?;
        let errors = log.try_clone().map_err(at(&boot.console))?;
        let mut command = qemu(boot, words, &sockets);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let guest = command.spawn().map_err(|error| {
            format!("qemu-system-x86_64 cannot be started: {error}: install qemu-system-x86")
        })?;
        Ok(Self { guest, sockets })
    }

    /// Follows it until its end, which is sudden in any case.
    ///
    /// # Errors
    /// When it fails, breaks off or hangs.
    pub fn watch(mut self, news: &Receiver<News>, boot: &Boot) -> Result<(), Fault> {
        let (mut heard, mut has_spoken) = (Instant::now(), false);
        loop {
            match news.recv_timeout(Duration::from_millis(200)) {
                Ok(News::Alive) => (heard, has_spoken) = (Instant::now(), true),
                Ok(News::Over) => return Ok(()),
                Ok(News::Failed(why)) => return Err(format!("the guest: {why}")),
                Err(_) if self.has_ended() || heard.elapsed() > SILENCE_MAX => {
                    let what = if has_spoken { "the guest broke off" } else { NEVER_SPOKE };
                    return Err(format!("{what}: see {}", boot.console.display()));
                }
                Err(_) => {}
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.guest.try_wait(), Ok(None))
    }
}

/// Tries a boot again that came to nothing: under software emulation a kernel was seen to die in
/// its second second, before any program ran.
///
/// # Errors
/// The last try's, or at once what comes later than that.
pub fn insist<T>(mut boot: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    for _ in 1..BOOTS_MAX {
        match boot() {
            Err(fault) if fault.starts_with(NEVER_SPOKE) => say(&format!("{fault}: once more")),
            result => return result,
        }
    }
    boot()
}

/// What is heard of a guest while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It goes on.
    Alive,
    /// It may be killed.
    Over,
    /// It cannot go on, for this reason.
    Failed(String),
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself meanwhile; the sockets may be gone with a temporary folder.
        let _ = self.guest.kill();
        let _ = self.guest.wait();
        for socket in &self.sockets {
            let _ = fs::remove_file(socket);
        }
    }
}

/// What a machine boots from.
#[derive(Debug)]
pub struct Boot {
    image: PathBuf,
    initrd: PathBuf,
    device: Device,
    file_system: &'static str,
    /// The kernel's version.
    pub version: String,
    /// Where its console is kept.
    pub console: PathBuf,
}

impl Boot {
    /// Puts a kernel and the static program into an archive below a folder.
    ///
    /// # Errors
    /// When a file or busybox is missing.
    pub fn new(
        kernel: &Unpacked,
        program: &Path,
        (file_system, device): (&'static str, Device),
        folder: &Path,
    ) -> Result<Self, Fault> {
        let mut archive = Initramfs::new();
        for name in ["bin", "modules", "proc", "sys", "dev", "tmp", "disk"] {
            archive.folder(name);
        }
        archive.copy("bin/busybox", &crate::matrix::guest::busybox()?)?;
        for (number, module) in kernel.modules.iter().enumerate() {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            archive.copy(&format!("modules/{number:03}-{name}"), module)?;
        }
        archive.copy("bin/power-off", program)?;
        archive.program("init", INIT.as_bytes());
        let initrd = folder.join("initrd");
        archive.write(&initrd)?;
        let console = folder.join(format!("{file_system}.log"));
        let (image, version) = (kernel.image.clone(), kernel.version.clone());
        Ok(Self { image, initrd, device, file_system, version, console })
    }
}

/// The variables come from the kernel's command line.
const INIT: &str = "#!/bin/busybox sh\n\
    /bin/busybox --install -s /bin\n\
    export PATH=/bin\n\
    mount -t proc proc /proc\nmount -t sysfs sysfs /sys\nmount -t devtmpfs dev /dev\n\
    echo 1 > /proc/sys/kernel/printk\n\
    for module in /modules/*; do insmod $module 2>/dev/null; done\n\
    for second in 1 2 3 4 5 6 7 8 9; do\n\
    test -b $IOMILL_DISK && test -b $IOMILL_PORT && break\n\
    sleep 1\n\
    done\n\
    power-off guest $IOMILL_WORDS $IOMILL_DISK $IOMILL_KIND $IOMILL_PORT\n\
    poweroff -f\n";

fn qemu(boot: &Boot, words: &str, sockets: &[PathBuf; 2]) -> Command {
    let (device, disk, port) = match boot.device {
        Device::Virtio => ("virtio-blk-pci,request-merging=off", "/dev/vda", "/dev/vdb"),
        Device::Scsi => ("scsi-hd,dpofua=on", "/dev/sda", "/dev/vda"),
    };
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY_MIB])
        .args(["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"])
        .arg("-kernel")
        .arg(&boot.image)
        .arg("-initrd")
        .arg(&boot.initrd)
        .arg("-append")
        .arg(format!(
            "console=ttyS0 quiet panic=-1 mitigations=off IOMILL_WORDS={words} \
             IOMILL_DISK={disk} IOMILL_PORT={port} IOMILL_KIND={}",
            boot.file_system
        ));
    for (name, socket) in ["disk", "port"].iter().zip(sockets) {
        let socket = socket.display();
        command
            .arg("-blockdev")
            .arg(format!("driver=nbd,node-name={name},server.type=unix,server.path={socket}"));
    }
    let port = "virtio-blk-pci,drive=port,request-merging=off";
    if boot.device == Device::Scsi {
        command.args(["-device", "virtio-scsi-pci"]);
    }
    command.args(["-device", &format!("{device},drive=disk")]).args(["-device", port]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_that_never_spoke_is_booted_again_and_not_for_ever() {
        let tries = |faults: &[&str]| {
            let mut boots = 0;
            let result = insist(|| {
                boots += 1;
                faults.get(boots - 1).map_or(Ok(()), |fault| Err((*fault).to_owned()))
            });
            (boots, result.is_ok())
        };
        assert_eq!(tries(&[]), (1, true));
        assert_eq!(tries(&[NEVER_SPOKE]), (2, true));
        assert_eq!(tries(&[NEVER_SPOKE, "the guest broke off: see it"]), (2, false));
        assert_eq!(tries(&[NEVER_SPOKE; 9]), (3, false));
    }
}
