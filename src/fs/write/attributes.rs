//! Extended attributes and access lists, carried from the old file to the new one.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// Gives `to` the extended attributes of `from`, POSIX access lists included (they are one: acl(5)), and takes those
/// away that it has got from the directory's defaults. Labels of the kernel's own (`security.*`, `trusted.*`) are left to
/// the kernel.
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    let (wanted, present) = (names(from)?, names(to)?);
    for name in present.difference(&wanted) {
        rustix::fs::fremovexattr(to, name.as_c_str())?;
    }
    for name in &wanted {
        let value = value(from, name)?;
        if !present.contains(name) || self::value(to, name)? != value {
            match rustix::fs::fsetxattr(to, name.as_c_str(), &value, XattrFlags::empty()) {
                Ok(()) => {}
                // Something of the file system's own. An access list is not: without it others might get more rights.
                Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL)
                    if !name.as_bytes().starts_with(b"system.posix_acl") => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn names(file: &File) -> io::Result<BTreeSet<CString>> {
    let mut list = match rustix::fs::flistxattr_query(file) {
        Ok(size) => vec![0; size],
        Err(Errno::NOTSUP) => return Ok(BTreeSet::new()),
        Err(error) => return Err(error.into()),
    };
    let size = rustix::fs::flistxattr(file, list.as_mut_slice())?;
    let names = list[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let ours = names.filter(|name| !name.starts_with(b"security.") && !name.starts_with(b"trusted."));
    Ok(ours.filter_map(|name| CString::new(name).ok()).collect())
}

fn value(file: &File, name: &CString) -> io::Result<Vec<u8>> {
    let mut value = vec![0; rustix::fs::fgetxattr_query(file, name.as_c_str())?];
    let size = rustix::fs::fgetxattr(file, name.as_c_str(), value.as_mut_slice())?;
    value.truncate(size);
    Ok(value)
}
