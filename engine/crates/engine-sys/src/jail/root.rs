//! The empty root: a small memory file system that holds the cell's file and nothing else.

use std::ffi::CString;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, fstat, fstatvfs, sendfile};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

/// Where the cell's file is found in the empty root.
pub(super) const CELL_FILE: &str = "/cell.so";
/// Folders over which the new root can be mounted for a moment; the first that is there.
const POINTS: [&str; 3] = ["/tmp", "/run", "/dev"];
/// What no mount here allows.
const HARDENED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes a root that holds `library` only, and makes it this process's root. Needs a mount namespace of its own, and its privileges.
///
/// A file is shown there as it is, so that all cells of one build share its memory. Memory without a name (or a file that this process's new user
/// may not read) is copied.
pub(super) fn enter(library: BorrowedFd<'_>) -> io::Result<()> {
    // Before anything is mounted over it.
    let named = named_again(library);
    let len = u64::try_from(fstat(library)?.st_size).unwrap_or(0);
    // Nothing that happens here reaches the mounts of others.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let point = POINTS.into_iter().find(|p| Path::new(p).is_dir());
    let point = point.ok_or_else(|| io::Error::other("no folder to mount it over"))?;
    // Room for the file in whole pages; a handful of inodes.
    let size = CString::new(format!("mode=0555,nr_inodes=4,size={}", (len | 4095) + 1));
    let size = size.map_err(io::Error::other)?;
    mount("cell", point, "tmpfs", HARDENED, size.as_c_str())?;
    chdir(point)?;
    let file = OpenOptions::new().write(true).create_new(true).open("cell.so")?;
    if !named.is_some_and(|named| show(&named)) {
        copy(library, &file, len)?;
        file.set_permissions(Permissions::from_mode(0o444))?;
    }
    drop(file);
    // Both roots at one place: the old one is then the upper, and is taken off.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | HARDENED, c"")?;
    for path in ["/", CELL_FILE] {
        if !fstatvfs(File::open(path)?)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(io::Error::other(format!("{path} can be written in the new root")));
        }
    }
    Ok(())
}

/// Opens the file once more by its name: what was opened in another mount namespace cannot be mounted here. None if that is another file.
fn named_again(library: BorrowedFd<'_>) -> Option<File> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", library.as_raw_fd())).ok()?;
    let found = File::open(path).ok()?;
    let (a, b) = (fstat(library).ok()?, fstat(&found).ok()?);
    let is_code = !fstatvfs(&found).ok()?.f_flag.contains(StatVfsMountFlags::NOEXEC);
    ((a.st_dev, a.st_ino) == (b.st_dev, b.st_ino) && is_code).then_some(found)
}

/// Shows the file at `cell.so` in the present folder, read-only. Returns whether that worked.
fn show(file: &File) -> bool {
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    if mount_bind(source, "cell.so").is_err() {
        return false;
    }
    // What its own mount forbids must stay so.
    let own = fstatvfs(file).map_or(StatVfsMountFlags::empty(), |v| v.f_flag);
    let kept = [
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let kept = kept.into_iter().filter(|(has, _)| own.contains(*has)).map(|(_, flag)| flag);
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY | HARDENED, |all, flag| all | flag);
    if mount_remount("cell.so", flags, c"").is_ok() {
        return true;
    }
    // Back to the empty file, to be filled by the caller.
    let _ = unmount("cell.so", UnmountFlags::DETACH);
    false
}

/// Copies within the kernel, once.
fn copy(from: BorrowedFd<'_>, to: &File, len: u64) -> io::Result<()> {
    let mut at = 0;
    while at < len {
        let left = usize::try_from(len - at).unwrap_or(usize::MAX);
        if sendfile(to, from, Some(&mut at), left)? == 0 {
            return Err(io::Error::other("the cell's file grew shorter while it was copied"));
        }
    }
    Ok(())
}
