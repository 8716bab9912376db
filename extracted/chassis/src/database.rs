//! One SQLite database on one thread of its own, so that no query ever blocks a socket.
//!
//! Jobs run one after the other in the order in which they arrived; a job that wants several
//! statements to stand or fall together opens a transaction. It refuses to know any table.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::Failure;
use crate::rehearsal::Keeping;

/// Jobs that may wait for the thread; further callers wait for a place.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Where a database lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Gone when the process ends.
    Memory,
    /// A file, created with its folder when it is missing.
    File(PathBuf),
}

impl Location {
    /// `:memory:` is [`Location::Memory`], everything else is a path.
    #[must_use]
    pub fn from_argument(argument: &Path) -> Self {
        if argument.as_os_str() == ":memory:" { Self::Memory } else { Self::File(argument.to_owned()) }
    }
}

/// A handle to the database thread; the thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Database {
    jobs: mpsc::Sender<Job>,
}

impl Database {
    /// Opens (or creates) the database and runs `prepare` (schema and seed) in one transaction.
    ///
    /// # Errors
    /// When the folder cannot be made, the file is no database, or `prepare` fails.
    pub fn open(
        location: &Location,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut connection = match location {
            Location::Memory => Connection::open_in_memory()?,
            Location::File(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                Connection::open(path)?
            }
        };
        connection.busy_timeout(Duration::from_secs(2))?;
        // WAL with synchronous=NORMAL: a crash of the process loses nothing, and a commit costs no fsync.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
        )?;
        let transaction = connection.transaction()?;
        prepare(&transaction)?;
        transaction.commit()?;

        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        thread::Builder::new().name("database".to_owned()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut connection);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs one job on the database thread and waits for its result.
    ///
    /// # Errors
    /// What the job returns, or 503 when the thread is gone.
    pub async fn call<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // A caller that went away no longer wants the answer; what was committed stays committed.
            drop(answer.send(job(connection)));
        });
        self.jobs.send(job).await.map_err(|_| Failure::unavailable("the database thread has ended"))?;
        result.await.map_err(|_| Failure::unavailable("the database thread has ended"))?
    }

    /// Runs one job in a transaction of its own, and keeps what it did, or not, as `keeping` says.
    ///
    /// # Errors
    /// What the job returns (and then nothing is kept), the database's refusal to commit, or 503 when the
    /// thread is gone.
    pub async fn transact<T, F>(&self, keeping: Keeping, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let result = job(&transaction)?;
            match keeping {
                Keeping::Commit => transaction.commit()?,
                Keeping::Rollback => transaction.rollback()?,
            }
            Ok(result)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
    }

    #[tokio::test]
    async fn what_was_committed_is_there_after_reopening() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let location = Location::File(folder.path().join("below/new.sqlite"));
        let prepare = |c: &Connection| c.execute_batch("CREATE TABLE IF NOT EXISTS t (x INTEGER)");
        let database = Database::open(&location, prepare)?;
        database
            .call(|c| {
                c.execute("INSERT INTO t VALUES (1)", [])?;
                Ok(())
            })
            .await
            .unwrap();
        drop(database);
        let again = Database::open(&location, prepare)?;
        assert_eq!(again.call(|c| Ok(count(c)?)).await.unwrap(), 1);
        Ok(())
    }

    #[tokio::test]
    async fn a_failed_preparation_leaves_no_half_schema() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let location = Location::File(folder.path().join("half.sqlite"));
        let broken = Database::open(&location, |c| c.execute_batch("CREATE TABLE t (x INTEGER); NONSENSE;"));
        assert!(broken.is_err());
        Database::open(&location, |c| c.execute_batch("CREATE TABLE t (x INTEGER)"))?;
        Ok(())
    }
}
