//! Replacing a file: only if it is still what it was, and as a whole.
//!
//! Two commands of this program exclude each other by a lock on the file. Other programs do not take part in
//! that: for them the file is read once more right before the new one takes its name.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::EditError;

/// How many symbolic links may lead to a file, as on Linux.
const LINKS_MAX: usize = 40;

/// Replaces `before` by `after`.
pub(super) fn replace(file: &Path, before: &str, after: &str) -> Result<(), EditError> {
    let real = fs::canonicalize(file).map_err(|error| failed(file, error))?;
    if is_projected(file) {
        return Err(read_only(file, "it is a mounted Kubernetes volume, which is written from elsewhere"));
    }
    let old = File::open(&real).map_err(|error| failed(file, error))?;
    // Held until the file is replaced or left alone; the kernel drops it when the process ends.
    old.lock().map_err(|error| failed(file, error))?;
    let metadata = old.metadata().map_err(|error| failed(file, error))?;
    if metadata.permissions().mode() & 0o222 == 0 {
        return Err(read_only(file, "it is read-only"));
    }
    let folder = real.parent().unwrap_or_else(|| Path::new("/"));
    let new = prepared(folder, &metadata, after).map_err(|error| failed(file, error))?;
    // By its name, not through the lock: another command may have replaced the file that is locked.
    let now = fs::read(&real).map_err(|error| failed(file, error))?;
    if now != before.as_bytes() {
        return Err(EditError::Changed { file: file.to_owned() });
    }
    new.persist(&real).map_err(|error| failed(file, error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(file, error))
}

/// The new file beside the old one, on disk, with the old one's mode and owner.
fn prepared(folder: &Path, old: &Metadata, text: &str) -> io::Result<tempfile::NamedTempFile> {
    // A name that no `include` pattern takes.
    let mut new = tempfile::Builder::new().prefix(".strangler-").suffix(".new").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    let made = new.as_file().metadata()?;
    let differing = |old: u32, new: u32| (old != new).then_some(old);
    let (owner, group) = (differing(old.uid(), made.uid()), differing(old.gid(), made.gid()));
    if owner.is_some() || group.is_some() {
        fchown(new.as_file(), owner, group)?;
    }
    // After the owner: a change of owner takes bits away.
    new.as_file().set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    new.as_file().sync_all()?;
    Ok(new)
}

fn failed(file: &Path, error: io::Error) -> EditError {
    match error.kind() {
        // A file that is mounted by itself cannot be replaced: busy.
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::ResourceBusy => {
            read_only(file, &error.to_string())
        }
        _ => EditError::Io { file: file.to_owned(), error },
    }
}

fn read_only(file: &Path, why: &str) -> EditError {
    EditError::ReadOnly { file: file.to_owned(), why: why.to_owned() }
}

/// Whether a file is reached through the `..data` link by which Kubernetes swaps the files of a volume: what is
/// written there is lost at the next swap.
fn is_projected(file: &Path) -> bool {
    let mut path = file.to_owned();
    for _ in 0..LINKS_MAX {
        let mut so_far = PathBuf::new();
        let mut followed = None;
        for component in path.components() {
            if component.as_os_str() == "..data" {
                return true;
            }
            so_far.push(component);
            if let Ok(target) = fs::read_link(&so_far) {
                let folder = so_far.parent().unwrap_or_else(|| Path::new(""));
                let rest = path.strip_prefix(&so_far).unwrap_or_else(|_| Path::new(""));
                followed = Some(folder.join(target).join(rest));
                break;
            }
        }
        match followed {
            // Joining an empty rest would end the path with a slash.
            Some(next) => path = next.components().collect(),
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "theirs").unwrap();
        let error = replace(&file, "before", "after").unwrap_err();
        assert!(matches!(error, EditError::Changed { .. }), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn links_stay_links_and_modes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.toml"), folder.path().join("link.toml"));
        fs::write(&real, "before").unwrap();
        fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real.toml", &link).unwrap();
        replace(&link, "before", "after").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "after");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_may_not_be_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "before").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o444)).unwrap();
        let error = replace(&file, "before", "after").unwrap_err();
        assert!(matches!(error, EditError::ReadOnly { .. }), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    }

    #[test]
    fn a_volume_of_kubernetes_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("..2026_01_01")).unwrap();
        fs::write(path("..2026_01_01/a.toml"), "before").unwrap();
        symlink("..2026_01_01", path("..data")).unwrap();
        symlink("..data/a.toml", path("a.toml")).unwrap();
        symlink(path("a.toml"), path("outside.toml")).unwrap();
        for name in ["a.toml", "outside.toml"] {
            let error = replace(&path(name), "before", "after").unwrap_err();
            assert!(matches!(error, EditError::ReadOnly { .. }), "{error}");
        }
        assert!(!is_projected(&path("..2026_01_01/a.toml")));
    }

    #[test]
    fn of_many_at_once_exactly_one_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "before").unwrap();
        let replaced: Vec<bool> = std::thread::scope(|scope| {
            let file = &file;
            let threads: Vec<_> = (0..16)
                .map(|n| scope.spawn(move || replace(file, "before", &format!("after {n}")).is_ok()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(replaced.iter().filter(|replaced| **replaced).count(), 1);
        let winner = replaced.iter().position(|replaced| *replaced).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("after {winner}"));
    }
}
