//! The rows of the evidence in SQLite.
//!
//! Write-ahead log, and a commit that waits for no disk: the end of the process loses nothing that was committed, and
//! the loss of power may lose the last commits, but never damages the file. Bounded by SQLite itself: it gives out
//! no more pages than allowed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, params};
use serde::Serialize;
use strangler_core::evidence::rows::{Change, Part, Row};
use strangler_core::inventory::{Changes, Tally};

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
    CREATE TABLE inventory (
        template TEXT NOT NULL,
        method TEXT NOT NULL,
        tally TEXT NOT NULL,
        PRIMARY KEY (template, method)
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

impl DatabaseError {
    fn is_busy(&self) -> bool {
        let DatabaseError::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) evidence: Vec<Row>,
    /// Template, method, tally.
    pub(super) inventory: Vec<(String, String, Tally)>,
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
    pub(super) fn open(directory: &Path) -> Option<(Database, Stored)> {
        let path = directory.join(NAME);
        let error = match try_open(&path) {
            Ok((connection, stored)) => {
                return Some((
                    Database { connection: Some(connection), directory: directory.to_owned() },
                    stored,
                ));
            }
            Err(error) => error,
        };
        if error.is_busy() {
            // Moved away from under whoever has it open it would be damaged for good.
            tracing::error!(path = %path.display(), %error, "somebody has the evidence on disk open: it is kept in memory");
            return None;
        }
        tracing::error!(path = %path.display(), %error, "the evidence on disk cannot be used: it is set aside as {SET_ASIDE}, and evidence begins anew");
        match set_aside(directory).map_err(DatabaseError::from).and_then(|()| try_open(&path)) {
            Ok((connection, stored)) => {
                Some((Database { connection: Some(connection), directory: directory.to_owned() }, stored))
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
    pub(super) fn apply(
        &mut self,
        mut changes: Vec<Change>,
        inventory: &Changes,
        scope: Scope,
    ) -> Result<u64, DatabaseError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => self.connection.insert(try_open(&self.directory.join(NAME))?.0),
        };
        let Err(error) = commit(connection, &changes, inventory, scope) else { return Ok(0) };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                let pruned = prune(connection)? + without_examples(&mut changes);
                commit(connection, &changes, inventory, scope)?;
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

fn try_open(path: &Path) -> Result<(Connection, Stored), DatabaseError> {
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
    let stored = stored(&connection)?;
    Ok((connection, stored))
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

fn stored(connection: &Connection) -> Result<Stored, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT template, method, tally FROM inventory")?;
    let mut rows = statement.query([])?;
    let mut inventory = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(tally) = serde_json::from_str(&row.get::<_, String>(2)?) {
            inventory.push((row.get(0)?, row.get(1)?, tally));
        }
    }
    Ok(Stored { evidence: self::rows(connection)?, inventory })
}

/// All rows of the evidence; what is no row is left out, and said.
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

fn commit(
    connection: &mut Connection,
    changes: &[Change],
    inventory: &Changes,
    scope: Scope,
) -> Result<(), rusqlite::Error> {
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
                    put.execute(params![row.slice, row.epoch, row.route, row.key, text(&row.part)?])?
                }
            };
        }
    }
    write_inventory(&transaction, inventory)?;
    transaction.commit()
}

fn write_inventory(transaction: &Transaction<'_>, inventory: &Changes) -> Result<(), rusqlite::Error> {
    let rows = match inventory {
        Changes::Rows(rows) => rows,
        Changes::All(rows) => {
            transaction.execute("DELETE FROM inventory", [])?;
            rows
        }
    };
    let mut put = transaction.prepare_cached(
        "INSERT INTO inventory (template, method, tally) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET tally = excluded.tally",
    )?;
    for (template, method, tally) in rows {
        put.execute(params![template, method, text(tally)?])?;
    }
    Ok(())
}

fn text(value: &impl Serialize) -> Result<String, rusqlite::Error> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Takes the examples out of what is to be written.
fn without_examples(changes: &mut [Change]) -> u64 {
    let mut taken = 0;
    for change in changes {
        if let Change::Put(row) = change
            && let Part::Signature(signature) = &mut row.part
        {
            taken += signature.examples.len() as u64;
            signature.examples.clear();
        }
    }
    taken
}

/// Takes the examples out of every row: they are the largest part, and nothing is judged by them. Making rows smaller
/// needs room too, which is given for as long as it takes.
fn prune(connection: &mut Connection) -> Result<u64, rusqlite::Error> {
    let pages: u32 = connection.query_row("PRAGMA max_page_count", [], |row| row.get(0))?;
    connection.pragma_update(None, "max_page_count", pages + pages / 16 + 64)?;
    let pruned = connection.execute(
        "UPDATE evidence SET part = json_set(part, '$.signature.examples', json('[]'))
         WHERE key GLOB 'signature/*' AND json_array_length(part, '$.signature.examples') > 0",
        [],
    );
    connection.pragma_update(None, "max_page_count", pages)?;
    Ok(pruned? as u64)
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
