//! Fresh credentials: recorded ones are pseudonyms, and would have expired anyway.
//!
//! The command is run by `sh -c` once for each recorded identity and side, before that identity's first
//! request there, with
//!
//! | variable | holds |
//! |---|---|
//! | `STRANGLER_IDENTITY` | the pseudonym under which the corpus knows the client: equal for equal clients |
//! | `STRANGLER_SIDE` | `primary` or `candidate` |
//! | `STRANGLER_URL` | that side's address, as given |
//!
//! It prints header lines, `Name: value`, each of which replaces the recorded lines of that name in the
//! requests of that identity. Empty lines are passed over. Anything but exit code 0 within 30 s ends the replay:
//! requests without credentials prove nothing. What it prints is never logged or shown.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::process::Command;
use tokio::time::timeout;

use super::Role;

/// The command may take so long.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Identities for which credentials are kept; more end the replay.
const IDENTITIES_MAX: usize = 10_000;

/// Bytes that the command may print.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Header lines that are set.
pub(super) type Lines = Vec<(HeaderName, HeaderValue)>;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("--identities: the command cannot be run: {0}")]
    Start(std::io::Error),
    #[error("--identities: no answer within 30 s for identity {identity} on the {side} side")]
    Timeout { identity: String, side: &'static str },
    #[error("--identities: the command ended with {code} for identity {identity} on the {side} side{said}")]
    Failed { identity: String, side: &'static str, code: String, said: String },
    #[error(
        "--identities: line {line} that the command prints is no header line such as `Cookie: session=…`"
    )]
    Line { line: usize },
    #[error("--identities: the command prints more than 64 KiB")]
    TooMuch,
    #[error("--identities: the corpus has more than 10,000 identities")]
    TooMany,
}

/// Credentials by identity and side, each asked for once.
#[derive(Debug)]
pub(super) struct Identities {
    command: String,
    known: HashMap<(String, Role), Lines>,
}

impl Identities {
    pub(super) fn new(command: &str) -> Identities {
        Identities { command: command.to_owned(), known: HashMap::new() }
    }

    /// The header lines of an identity on one side.
    pub(super) async fn lines(
        &mut self,
        identity: &str,
        role: Role,
        url: &str,
    ) -> Result<Lines, IdentityError> {
        let key = (identity.to_owned(), role);
        if let Some(lines) = self.known.get(&key) {
            return Ok(lines.clone());
        }
        if self.known.len() >= IDENTITIES_MAX {
            return Err(IdentityError::TooMany);
        }
        let lines = self.ask(identity, role, url).await?;
        self.known.insert(key, lines.clone());
        Ok(lines)
    }

    async fn ask(&self, identity: &str, role: Role, url: &str) -> Result<Lines, IdentityError> {
        let side = role.as_str();
        let child = Command::new("sh")
            .args(["-c", &self.command])
            .env("STRANGLER_IDENTITY", identity)
            .env("STRANGLER_SIDE", side)
            .env("STRANGLER_URL", url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(IdentityError::Start)?;
        let output = timeout(COMMAND_TIMEOUT, child.wait_with_output())
            .await
            .map_err(|_| IdentityError::Timeout { identity: identity.to_owned(), side })?
            .map_err(IdentityError::Start)?;
        if !output.status.success() {
            // The command's own words about its failure, on one line; it is not asked to print secrets there.
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().last().map(|line| format!(": {}", line.trim())).unwrap_or_default();
            let code = output.status.to_string();
            return Err(IdentityError::Failed { identity: identity.to_owned(), side, code, said });
        }
        if output.stdout.len() > OUTPUT_BYTES_MAX {
            return Err(IdentityError::TooMuch);
        }
        parse(&output.stdout)
    }
}

/// Header lines, one each.
fn parse(printed: &[u8]) -> Result<Lines, IdentityError> {
    let mut lines = Vec::new();
    for (index, line) in printed.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let bad = || IdentityError::Line { line: index + 1 };
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).map_err(|_| bad())?;
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        lines.push((name, HeaderValue::from_bytes(value).map_err(|_| bad())?));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lines_are_read_as_printed() {
        let lines = parse(b"Cookie: a=b; c=d\r\n\n  authorization:Bearer x:y\n").unwrap();
        let shown: Vec<(&str, &str)> =
            lines.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(shown, [("cookie", "a=b; c=d"), ("authorization", "Bearer x:y")]);
        assert!(matches!(parse(b"Cookie: a\nno header"), Err(IdentityError::Line { line: 2 })));
        assert!(matches!(parse(b"a b: c"), Err(IdentityError::Line { line: 1 })));
    }

    #[test]
    fn the_command_is_asked_once_for_each_identity_and_side() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let command = format!(
            "echo \"$STRANGLER_IDENTITY $STRANGLER_SIDE $STRANGLER_URL\" >> '{}'; echo \"x-who: $STRANGLER_IDENTITY\"",
            log.display()
        );
        let mut identities = Identities::new(&command);
        for (identity, role) in
            [("i1", Role::Primary), ("i1", Role::Candidate), ("i2", Role::Primary), ("i1", Role::Primary)]
        {
            let lines = runtime.block_on(identities.lines(identity, role, "http://a")).unwrap();
            assert_eq!(lines[0].1, identity);
        }
        let asked = std::fs::read_to_string(log).unwrap();
        assert_eq!(asked, "i1 primary http://a\ni1 candidate http://a\ni2 primary http://a\n");
    }

    #[test]
    fn a_command_that_fails_is_said_with_its_last_words() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut identities = Identities::new("echo first >&2; echo 'no such user' >&2; exit 7");
        let error = runtime.block_on(identities.lines("i1", Role::Candidate, "http://a")).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("exit status: 7") && said.contains("candidate") && said.ends_with("no such user")
        );
    }
}
