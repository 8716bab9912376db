//! The admin token, read from its file and read again when the file changes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use http::StatusCode;

use super::guard;
use super::reply::Problem;

#[derive(Debug)]
pub(super) struct TokenFile {
    /// Others can reach the listener: without a token nothing is answered, whatever a reload says.
    is_required: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    path: Option<PathBuf>,
    identity: Option<(u64, u64, i64, i64)>,
    token: String,
}

impl TokenFile {
    pub(super) fn new(admin: SocketAddr) -> TokenFile {
        TokenFile { is_required: !admin.ip().is_loopback(), known: Mutex::new(Known::default()) }
    }

    /// Lets a request pass that bears the token, or any where no token is configured.
    ///
    /// # Errors
    ///
    /// 401; 503 where the token cannot be read, because an unreadable token is no open door.
    pub(super) fn check(&self, configured: Option<&Path>, given: Option<&str>) -> Result<(), Problem> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let path = match configured {
            Some(path) => path.to_owned(),
            // A reload took the key away, but the address stays until the restart.
            None if self.is_required => {
                known.path.clone().ok_or_else(|| unreadable("no token is configured"))?
            }
            None => return Ok(()),
        };
        known.refresh(path).map_err(|error| unreadable(&error.to_string()))?;
        if known.token.is_empty() {
            return Err(unreadable("the token file is empty"));
        }
        match given {
            Some(given) if guard::is_equal(given, &known.token) => Ok(()),
            _ => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "this needs the admin token".to_owned(),
                "send `Authorization: Bearer` with the content of `server.admin_token_file`",
            )),
        }
    }
}

impl Known {
    fn refresh(&mut self, path: PathBuf) -> std::io::Result<()> {
        let metadata = fs::metadata(&path)?;
        let identity = (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        if self.path.as_ref() != Some(&path) || self.identity != Some(identity) {
            self.identity = None;
            fs::read_to_string(&path)?.trim().clone_into(&mut self.token);
            self.path = Some(path);
            self.identity = Some(identity);
        }
        Ok(())
    }
}

fn unreadable(why: &str) -> Problem {
    tracing::error!(why, "admin: the token cannot be read; nothing is answered");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the admin token cannot be read, so nothing is answered".to_owned(),
        "look at the log, and at `server.admin_token_file`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(verdict: Result<(), Problem>) -> Option<u16> {
        verdict.err().map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_changed_token_is_read_again_and_an_unreadable_one_closes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = TokenFile::new("127.0.0.1:9090".parse().unwrap());
        assert_eq!(status(token.check(Some(&path), Some("a"))), Some(503));
        fs::write(&path, "first\n").unwrap();
        assert_eq!(status(token.check(Some(&path), Some("first"))), None);
        assert_eq!(status(token.check(Some(&path), Some("wrong"))), Some(401));
        assert_eq!(status(token.check(Some(&path), None)), Some(401));
        fs::write(&path, "the second\n").unwrap();
        assert_eq!(status(token.check(Some(&path), Some("first"))), Some(401));
        assert_eq!(status(token.check(Some(&path), Some("the second"))), None);
        fs::write(&path, "\n").unwrap();
        assert_eq!(status(token.check(Some(&path), Some(""))), Some(503));
    }

    #[test]
    fn a_reload_cannot_open_an_address_that_others_reach() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "secret").unwrap();
        let token = TokenFile::new("0.0.0.0:9090".parse().unwrap());
        assert_eq!(status(token.check(Some(&path), Some("secret"))), None);
        assert_eq!(status(token.check(None, None)), Some(401));
        assert_eq!(status(token.check(None, Some("secret"))), None);
        let local = TokenFile::new("127.0.0.1:9090".parse().unwrap());
        assert_eq!(status(local.check(None, None)), None);
    }
}
