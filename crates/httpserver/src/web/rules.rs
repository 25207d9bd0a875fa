//! The file, and what it names, made ready.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::WebConfig;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;
use stdx::SystemDirectory;

use super::tls;

/// What a server goes by.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) headers: HeaderMap,
    /// Hashes of passwords by user.
    pub(super) users: BTreeMap<String, config::Secret>,
    pub(super) rate_limit: Option<RateLimit>,
    /// Files that are used besides the configuration.
    files: Vec<PathBuf>,
}

/// How many requests are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct RateLimit {
    /// One in this time.
    pub(super) interval: Duration,
    /// So many at once.
    pub(super) burst: f64,
}

impl Rules {
    /// Reads all files.
    ///
    /// # Errors
    /// What is wrong in which.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let config = WebConfig::load_file(path, &SystemDirectory::new(""));
        let config = config.map_err(|error| error.to_string())?;
        let wanted = config.tls.is_wanted();
        let tls = wanted.then(|| tls::server_config(&config.tls, config.http2)).transpose()?;
        let files = [&config.tls.cert_file, &config.tls.key_file, &config.tls.client_ca_file];
        let files = files.into_iter().filter(|it| !it.is_empty()).map(PathBuf::from);
        Ok(Self {
            tls: tls.map(Arc::new),
            headers: headers(&config)?,
            files: files.collect(),
            rate_limit: rate_limit(&config),
            users: config.users,
        })
    }

    /// The state of the files.
    pub(super) fn stamps(&self, path: &Path) -> Vec<Stamp> {
        std::iter::once(path)
            .chain(self.files.iter().map(PathBuf::as_path))
            .map(Stamp::of)
            .collect()
    }
}

fn headers(config: &WebConfig) -> Result<HeaderMap, String> {
    let header = |(name, value): (&String, &String)| {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| format!("net/http: invalid header field value for {name:?}"))?;
        Ok((name, value))
    };
    config.headers.iter().filter(|it| !it.1.is_empty()).map(header).collect()
}

fn rate_limit(config: &WebConfig) -> Option<RateLimit> {
    let interval = u64::try_from(config.rate_limit.interval_ms).ok().filter(|it| 0 < *it)?;
    let burst = u32::try_from(config.rate_limit.burst).unwrap_or(u32::MAX);
    Some(RateLimit { interval: Duration::from_millis(interval), burst: f64::from(burst.max(1)) })
}

/// How a file looked from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    /// Inode, size, times of change; `None`: it could not be looked at.
    look: Option<[i64; 6]>,
}

impl Stamp {
    fn of(path: &Path) -> Self {
        #[expect(clippy::cast_possible_wrap, reason = "compared, not counted")]
        let look = std::fs::metadata(path).ok().map(|it| {
            [
                it.ino() as i64,
                it.size() as i64,
                it.mtime(),
                it.mtime_nsec(),
                it.ctime(),
                it.ctime_nsec(),
            ]
        });
        Self { path: path.to_owned(), look }
    }

    /// The stamp of no file at all.
    pub(super) fn never() -> Self {
        Self { path: PathBuf::new(), look: Some([0; 6]) }
    }

    /// True if the file looks so still.
    pub(super) fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}
