//! The rows of the evidence in SQLite.
//!
//! Write-ahead log, and a commit that waits for no disk: the end of the process loses nothing that was committed, and
//! the loss of power may lose the last commits, but never damages the file. Bounded by SQLite itself: it gives out
//! no more pages than allowed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};
use strangler_core::evidence::rows::{Change, Part, Row};

const NAME: &str = "evidence.sqlite";
const SET_ASIDE: &str = "evidence.damaged.sqlite";

/// With the log of at most 16 MiB and its index below 256 MiB.
const DATABASE_BYTES_MAX: u32 = 224 << 20;
const PAGE_BYTES: u32 = 4096;
const LOG_BYTES_MAX: u32 = 8 << 20;
/// Pages in the log after which they are moved into the database: 4 MiB.
const CHECKPOINT_PAGES: u32 = 1024;

/// Each brings the schema to its number.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE evidence (
        slice TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        route TEXT NOT NULL,
        key TEXT NOT NULL,
        part TEXT NOT NULL,
        PRIMARY KEY (slice, epoch, route, key)
    ) STRICT, WITHOUT ROWID;
"];

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it is of a later version of this program ({0})")]
    TooNew(usize),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Option<Connection>,
    directory: PathBuf,
}

impl Database {
    /// Opens the database of a directory with all its rows. One that cannot be used is set aside and begun anew;
    /// `None`: not even that is possible.
    pub(super) fn open(directory: &Path) -> Option<(Database, Vec<Row>)> {
        let path = directory.join(NAME);
        let error = match try_open(&path) {
            Ok((connection, rows)) => {
                return Some((
                    Database { connection: Some(connection), directory: directory.to_owned() },
                    rows,
                ));
            }
            Err(error) => error,
        };
        tracing::error!(path = %path.display(), %error, "the evidence on disk cannot be used: it is set aside as {SET_ASIDE}, and evidence begins anew");
        match set_aside(directory).map_err(DatabaseError::from).and_then(|()| try_open(&path)) {
            Ok((connection, rows)) => {
                Some((Database { connection: Some(connection), directory: directory.to_owned() }, rows))
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "no evidence can be kept on disk: it is kept in memory");
                None
            }
        }
    }

    /// Applies what changed, all of it or nothing. Answers how much had to be taken out to make room.
    ///
    /// # Errors
    ///
    /// When it cannot be written. The next call must be about everything.
    pub(super) fn apply(&mut self, changes: &[Change], scope: Scope) -> Result<u64, DatabaseError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(try_open(&self.directory.join(NAME))?.0),
        };
        let Err(error) = commit(connection, changes, scope) else { return Ok(0) };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                let pruned = prune(connection)?;
                commit(connection, changes, scope)?;
                tracing::warn!(examples = pruned, "the evidence on disk was full: examples were taken out");
                Ok(pruned)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                tracing::error!(
                    "the evidence on disk is damaged: it is set aside as {SET_ASIDE}, and written anew"
                );
                self.connection = None;
                set_aside(&self.directory)?;
                Err(error.into())
            }
            _ => Err(error.into()),
        }
    }
}

#[cfg(test)]
impl Database {
    /// Gives out no more than so many pages.
    pub(super) fn bound_for_test(&self, pages: u32) {
        let connection = self.connection.as_ref().expect("it is open");
        connection.pragma_update(None, "max_page_count", pages).expect("it is bounded");
    }
}

/// What a write is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// What changed since the last one.
    Changes,
    /// Everything: rows that are not in it are no more.
    Everything,
}

fn try_open(path: &Path) -> Result<(Connection, Vec<Row>), DatabaseError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    connection.pragma_update(None, "max_page_count", DATABASE_BYTES_MAX / PAGE_BYTES)?;
    let checked: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if checked != "ok" {
        return Err(DatabaseError::Damaged(checked));
    }
    migrate(&mut connection)?;
    let rows = rows(&connection)?;
    Ok((connection, rows))
}

fn migrate(connection: &mut Connection) -> Result<(), DatabaseError> {
    let version: usize =
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))? as usize;
    let missing = MIGRATIONS.get(version..).ok_or(DatabaseError::TooNew(version))?;
    for (number, migration) in (version as u64 + 1..).zip(missing) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

/// All rows; what is no row is left out, and said.
fn rows(connection: &Connection) -> Result<Vec<Row>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT slice, epoch, route, key, part FROM evidence")?;
    let mut rows = statement.query([])?;
    let (mut read, mut unreadable) = (Vec::new(), 0u64);
    while let Some(row) = rows.next()? {
        let (slice, route): (String, String) = (row.get(0)?, row.get(2)?);
        let part: String = row.get(4)?;
        match serde_json::from_str::<Part>(&part) {
            Ok(part) => read.push(Row {
                slice: slice.into(),
                epoch: row.get(1)?,
                route: route.into(),
                key: row.get(3)?,
                part,
            }),
            Err(_) => unreadable += 1,
        }
    }
    if unreadable > 0 {
        tracing::warn!(rows = unreadable, "evidence on disk cannot be read; these rows are left out");
    }
    Ok(read)
}

fn commit(connection: &mut Connection, changes: &[Change], scope: Scope) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    if scope == Scope::Everything {
        transaction.execute("DELETE FROM evidence", [])?;
    }
    {
        let mut put = transaction.prepare_cached("INSERT INTO evidence (slice, epoch, route, key, part) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET part = excluded.part")?;
        let mut delete_epoch =
            transaction.prepare_cached("DELETE FROM evidence WHERE slice = ?1 AND epoch = ?2")?;
        let mut delete_route = transaction
            .prepare_cached("DELETE FROM evidence WHERE slice = ?1 AND epoch = ?2 AND route = ?3")?;
        for change in changes {
            match change {
                Change::DeleteEpoch { slice, epoch } => delete_epoch.execute(params![slice, epoch])?,
                Change::DeleteRoute { slice, epoch, route } => {
                    delete_route.execute(params![slice, epoch, route])?
                }
                Change::Put(row) => {
                    let part = serde_json::to_string(&row.part)
                        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                    put.execute(params![row.slice, row.epoch, row.route, row.key, part])?
                }
            };
        }
    }
    transaction.commit()
}

/// Takes the examples out of every row: they are the largest part, and nothing is judged by them.
fn prune(connection: &mut Connection) -> Result<u64, rusqlite::Error> {
    let transaction = connection.transaction()?;
    let pruned = transaction.execute(
        "UPDATE evidence SET part = json_set(part, '$.examples', json('[]'))
         WHERE key GLOB 'signature/*' AND json_array_length(part, '$.examples') > 0",
        [],
    )?;
    transaction.commit()?;
    Ok(pruned as u64)
}

/// Moves the database and its log out of the way, over what was set aside before.
fn set_aside(directory: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::rename(
            directory.join(format!("{NAME}{suffix}")),
            directory.join(format!("{SET_ASIDE}{suffix}")),
        ) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
