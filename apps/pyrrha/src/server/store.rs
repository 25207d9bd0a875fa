//! Where samples go: into a database, or into the log of an agent.

use std::sync::Arc;

use client::Registry;
use stdx::{Clock, Directory, SystemDirectory};
use storage::Appendable;
use tsdb::agent::{AgentDb, AgentOptions};
use tsdb::{Db, OpenError, UploadList};

use super::settings::Settings;

/// What keeps the samples.
#[derive(Clone)]
pub(super) enum Store {
    /// A database.
    Database(Arc<Db>),
    /// The log of an agent. Nobody reads it here.
    Log(Arc<AgentDb>),
}

impl Store {
    /// Opens it; a database may read its log for a while longer: see [`Store::wait_loaded`].
    pub(super) fn open(
        settings: &Settings,
        database: tsdb::Options,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(&settings.data));
        if let Some(agent) = &settings.agent {
            let out_of_order_window_ms = database.out_of_order_window_ms;
            let options = AgentOptions { out_of_order_window_ms, ..agent.clone() };
            let log = AgentDb::open(options, directory, clock, registry, Arc::new(|| None))?;
            return Ok(Self::Log(Arc::new(log)));
        }
        let db = Db::start(database, directory, clock, registry)?;
        db.set_upload_list(
            settings
                .upload_list
                .clone()
                .map(|path| UploadList { directory: Arc::new(SystemDirectory::new("")), path }),
        );
        Ok(Self::Database(Arc::new(db)))
    }

    /// The database, if it is one.
    pub(super) fn database(&self) -> Option<&Arc<Db>> {
        match self {
            Self::Database(db) => Some(db),
            Self::Log(_) => None,
        }
    }

    pub(super) fn appendable(&self) -> Arc<dyn Appendable> {
        match self {
            Self::Database(db) => Arc::clone(db) as _,
            Self::Log(log) => Arc::clone(log) as _,
        }
    }

    /// Waits until all that is stored can be read.
    pub(super) fn wait_loaded(&self) -> Result<(), OpenError> {
        self.database().map_or(Ok(()), |db| db.wait_loaded())
    }

    pub(super) fn close(&self) -> Result<(), OpenError> {
        match self {
            Self::Database(db) => db.close(),
            Self::Log(log) => log.close(),
        }
    }
}
