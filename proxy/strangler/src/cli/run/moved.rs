//! What a change of `data_dir` must not lose: where data was kept before, and the retreats there.
//!
//! A retreat latches until a person lifts it; that the folder is another one now lifts nothing. Refuses to move what is
//! merely remembered: evidence and history stay where they are.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use strangler_core::retreat::Latches;

use crate::live::source::Source;
use crate::store::{self, LastGood, Store, StoreError, pointer};

/// Where this configuration kept its data at its last start: as noted beside it, else in `data` beside it.
pub(super) fn former(source: &Source) -> Option<PathBuf> {
    let main = source.main_path()?;
    pointer::recall(main).or_else(|| beside(source, main))
}

/// `data` beside the file, where it is of this configuration: several may share a folder.
fn beside(source: &Source, main: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(source.base().join("data")).ok()?;
    let last_good = LastGood::find(&directory).ok().flatten()?;
    let is_own = std::path::absolute(source.base()).is_ok_and(|base| base == last_good.base)
        && Path::new(&last_good.sources.main.name).file_name() == main.file_name();
    is_own.then_some(directory)
}

/// Whether both are one folder, under whatever names.
pub(super) fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    real(a) == real(b)
}

/// Has retreats that were kept in `former` hold in `store`, too. Where nothing is kept, or the folder was named for this
/// process alone (`given`), what does not hold is only told.
///
/// # Errors
///
/// They cannot be written.
pub(super) fn bring_retreats(former: &Path, store: &Store, given: bool) -> Result<(), StoreError> {
    if store.directory().is_some_and(|own| is_same(former, own)) {
        return Ok(());
    }
    let kept = store::kept_retreats(former).unwrap_or_else(|error| {
        tracing::error!(%error, "retreats of the former data directory cannot be read: every slice is held");
        Latches::unreadable(Timestamp::now(), error.to_string())
    });
    // Those that cannot be read hold every slice.
    let Ok(own) = store.retreats() else { return Ok(()) };
    let both = own.clone().joined(&kept);
    if both == own {
        return Ok(());
    }
    let (former, slices) = (former.display(), names(&kept));
    if given || store.directory().is_none() {
        tracing::warn!(%former, slices, "retreats that are kept elsewhere are not in force in this process");
        return Ok(());
    }
    store.keep_retreats(&both)?;
    tracing::warn!(%former, slices, "the data directory is another one: retreats came along, evidence and history did not");
    Ok(())
}

fn names(latches: &Latches) -> String {
    let slices: Vec<&str> = latches.by_slice().keys().map(|name| &**name).collect();
    if latches.everywhere().is_some() { "all".to_owned() } else { slices.join(", ") }
}
