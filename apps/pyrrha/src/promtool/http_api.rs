//! What the commands share that ask a server over its HTTP API.

use std::path::Path;
use std::time::Duration;

use clap::Arg;
use httpclient::{Client, Options, Request};
use serde_json::Value;
use stdx::SystemDirectory;

use crate::server::translate;

const TIMEOUT: Duration = Duration::from_secs(120);
/// Answers larger than this are refused.
const BODY_BYTES_MAX: usize = 1 << 30;

/// Parameters of a request, by name.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// The flag that names a file for [`HttpApi::new`].
pub(super) fn config_arg() -> Arg {
    Arg::new("http.config.file")
        .long("http.config.file")
        .help("HTTP client configuration file for promtool to connect to Prometheus.")
}

/// Runs a command that asks a server.
pub(super) fn block_on<T>(run: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(run)
}

/// A server's HTTP API.
pub(super) struct HttpApi {
    client: Client,
    /// Without a slash at its end.
    url: String,
}

impl HttpApi {
    /// The API of `server`, a URL or an address. `config_file` says how to connect; it may be empty.
    pub(super) fn new(server: &str, config_file: &str) -> Result<Self, String> {
        let url = match server.contains("://") {
            true => server.to_owned(),
            false => format!("http://{server}"),
        };
        let options = match config_file {
            "" => Options::default(),
            _ if has_user(&url) => {
                let text = "cannot set base auth in the server URL and use a http.config.file at the same time";
                return Err(text.into());
            }
            file => {
                let config =
                    config::HttpClient::load_file(Path::new(file), &SystemDirectory::new(""))
                        .map_err(|error| format!("failed to load HTTP config file: {error}"))?;
                translate::http(&config)?
            }
        };
        let client = Client::new(options).map_err(|error| error.to_string())?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// Asks for a path below the server's address. Returns the body.
    pub(super) async fn page(&self, path: &str, timeout: Duration) -> Result<String, String> {
        let request = Request::get(format!("{}{path}", self.url), timeout);
        let fetched = self.client.fetch(&request, BODY_BYTES_MAX).await;
        let (status, _, body) = fetched.map_err(|error| error.to_string())?;
        if status.as_u16() != 200 {
            let (url, status) = (&self.url, status.as_u16());
            return Err(format!("check failed: URL={url}, status={status}"));
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks for a path below `/api/v1`. Returns the data and the warnings.
    pub(super) async fn get(
        &self,
        path: &str,
        pairs: &[(&str, String)],
    ) -> Result<(Value, Vec<String>), String> {
        let pair = |(name, value): &(&str, String)| format!("{}={}", escape(name), escape(value));
        let query: Vec<String> = pairs.iter().map(pair).collect();
        let url = format!("{}/api/v1/{path}?{}", self.url, query.join("&"));
        let fetched = self.client.fetch(&Request::get(url, TIMEOUT), BODY_BYTES_MAX).await;
        let (status, _, body) = fetched.map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|_| format!("server error: {}", status.as_u16()))?;
        if answer["status"] != "success" {
            let part = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            return Err(format!("{}: {}", part("errorType"), part("error")));
        }
        let warnings = answer["warnings"].as_array().into_iter().flatten();
        let warnings = warnings.map(|it| it.as_str().unwrap_or_default().to_owned()).collect();
        Ok((answer["data"].take(), warnings))
    }
}

fn has_user(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |it| it.1);
    after_scheme.split(['/', '?', '#']).next().is_some_and(|it| it.contains('@'))
}

pub(super) fn escape(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Reads seconds, or RFC 3339.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: jiff::Timestamp =
        text.parse().map_err(|_| format!("cannot parse {text:?} to a valid timestamp"))?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    Ok(time.as_millisecond() as f64 / 1000.0)
}
