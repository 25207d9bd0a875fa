//! From a target to the bytes of its page and their format.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use exposition::{Format, TextFormat};
use httpclient::{Connection, Error, Request, Room as _};
use libdeflater::Decompressor;
use model::quote;

use crate::job::{Job, Source};
use crate::room::Held;
use crate::scrape_loop::off_the_runtime;
use crate::target::Target;

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// Longer than the job's limit.
    TooLarge,
    /// Not got; noted in the failure log.
    Fetch(String),
    /// Got, but in a format that is not known.
    Format(String),
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge => f.write_str("body size limit exceeded"),
            Self::Fetch(text) | Self::Format(text) => f.write_str(text),
        }
    }
}

/// Where a page is put.
pub(crate) struct Destination<'a> {
    pub(crate) body: &'a mut Vec<u8>,
    /// What it takes of the room for all pages.
    pub(crate) held: &'a mut Held,
    /// For what is needed on the way.
    pub(crate) buffers: &'a Buffers,
}

/// Gets the pages of one target.
pub(crate) enum Fetcher {
    Http(Box<(Connection, Request)>),
    Page(crate::job::Page),
}

impl Fetcher {
    pub(crate) fn new(
        job: &Job,
        client: &httpclient::Client,
        target: &Target,
        user_agent: &str,
    ) -> Self {
        let connection = || match target.labels.value("__unix_socket__") {
            "" => client.connection(),
            path => client.over_unix_socket(Path::new(path)).connection(),
        };
        match &job.source {
            Source::Http => Self::Http(Box::new((connection(), request(job, target, user_agent)))),
            Source::Page(page) => Self::Page(page.clone()),
        }
    }

    /// Fills `body` with the page. `None` for the format of an empty page that does not say: it has no
    /// samples in any format.
    pub(crate) async fn fetch(
        &mut self,
        job: &Job,
        into: Destination<'_>,
    ) -> Result<Option<Format>, FetchError> {
        let Destination { body, held, buffers } = into;
        let (connection, request) = match self {
            Self::Page(page) => {
                // Collectors read files.
                let format = off_the_runtime(true, || page.render(body));
                let limit = job.limits.body_bytes;
                return if limit != 0 && limit <= body.len() {
                    Err(FetchError::TooLarge)
                } else {
                    Ok(Some(Format::Text(format)))
                };
            }
            Self::Http(it) => &mut **it,
        };
        let mut response = connection.send(request).await.map_err(failed)?;
        if response.status != http::StatusCode::OK {
            let status = response.status;
            let reason = status.canonical_reason().unwrap_or_default();
            let text = format!("server returned HTTP status {} {reason}", status.as_str());
            return Err(FetchError::Fetch(text.trim_end().to_owned()));
        }
        let limit = match job.limits.body_bytes {
            0 => held.bytes_max(),
            limit => limit.min(held.bytes_max()),
        };
        let header = |name: &str| {
            response.headers.get(name).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
        };
        let (content_type, encoding) =
            (header("content-type").unwrap_or_default(), header("content-encoding"));
        if encoding.as_deref() == Some("gzip") {
            let mut packed = buffers.take();
            let read = response.read_into_room(&mut packed, packed_bytes_max(limit), held).await;
            let read = read.map_err(failed);
            let unpacked = match read {
                Ok(()) => gunzip(&packed, limit, Destination { body, held, buffers }).await,
                Err(error) => Err(error),
            };
            buffers.give(packed);
            unpacked?;
        } else {
            response.read_into_room(body, limit, held).await.map_err(failed)?;
        }
        match format_of(&content_type, job) {
            Err(_) if body.is_empty() => Ok(None),
            Err(text) => Err(FetchError::Format(text)),
            Ok(format) => Ok(Some(format)),
        }
    }
}

fn failed(error: Error) -> FetchError {
    match error {
        Error::TooLarge => FetchError::TooLarge,
        other => FetchError::Fetch(other.to_string()),
    }
}

fn request(job: &Job, target: &Target, user_agent: &str) -> Request {
    let timeout = Duration::from_millis(target.timeout_ms.unsigned_abs());
    let mut request = Request::get(target.url.clone(), timeout);
    let seconds = stdx::gofloat::format_f(timeout.as_secs_f64());
    let encoding = if job.compression { "gzip" } else { "identity" };
    for (name, value) in [
        (http::header::USER_AGENT, user_agent),
        (http::header::ACCEPT, &accept(job)),
        (http::header::ACCEPT_ENCODING, encoding),
        (http::HeaderName::from_static("x-prometheus-scrape-timeout-seconds"), &seconds),
    ] {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            request.headers.insert(name, value);
        }
    }
    request
}

/// The `Accept` header: each format with a lower weight than the one before.
fn accept(job: &Job) -> String {
    let mut weight = 6;
    let mut accept = String::new();
    for protocol in &job.protocols {
        accept.push_str(protocol.media_type());
        if protocol.takes_escaping() {
            accept.push_str(";escaping=");
            accept.push_str(&job.escaping);
        }
        accept.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    accept + &format!("*/*;q=0.{weight}")
}

/// The format that a `Content-Type` names, or the job's fallback.
fn format_of(content_type: &str, job: &Job) -> Result<Format, String> {
    let why = match media_type(content_type) {
        Ok("text/plain") => return Ok(Format::Text(TextFormat::Prometheus)),
        Ok("application/openmetrics-text") => return Ok(Format::Text(TextFormat::OpenMetrics)),
        Ok("application/vnd.google.protobuf") => return Ok(Format::Protobuf),
        _ if content_type.is_empty() => {
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
                .to_owned()
        }
        Ok(_) => {
            let quoted = quote(content_type);
            format!("received unsupported Content-Type {quoted} and no fallback_scrape_protocol specified for target")
        }
        Err(reason) => {
            let quoted = quote(content_type);
            format!("cannot parse Content-Type {quoted} and no fallback_scrape_protocol for target\n{reason}")
        }
    };
    let fallback = job.fallback_protocol.ok_or_else(|| why.clone())?.format();
    let job = &job.name;
    tracing::debug!(job, content_type, fallback_media_type = ?fallback, err = why, "Invalid content type on scrape, using fallback setting.");
    Ok(fallback)
}

/// The media type of a header; case does not matter where it is one of ours.
fn media_type(header: &str) -> Result<&str, &'static str> {
    let (kind, parameters) = header.split_once(';').unwrap_or((header, ""));
    let kind = kind.trim();
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|it| it.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&it))
    };
    if kind.is_empty() {
        return Err("mime: no media type");
    }
    let (main, sub) = kind.split_once('/').unwrap_or((kind, "x"));
    if !token(main) {
        return Err("mime: no media type");
    }
    if !token(sub) {
        return Err(if kind.ends_with('/') {
            "mime: expected token after slash"
        } else {
            "mime: unexpected content after media subtype"
        });
    }
    for parameter in parameters.split(';').map(str::trim).filter(|it| !it.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or("mime: invalid media parameter")?;
        let quoted = value.len() >= 2 && value.starts_with('"') && value.ends_with('"');
        if !token(name.trim()) || !(quoted || token(value)) {
            return Err("mime: invalid media parameter");
        }
    }
    let ours = ["text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"];
    Ok(ours.into_iter().find(|it| it.eq_ignore_ascii_case(kind)).unwrap_or(kind))
}

/// A body that is shorter than `limit` is not as long as this when packed: the limit is for what is unpacked.
fn packed_bytes_max(limit: usize) -> usize {
    limit.saturating_add(limit / 1024 + 1024)
}

/// A body smaller than its unpacked self by more than this is not gzip.
const PACKED_AT_MOST: usize = 1032;

/// So much is unpacked at a time where a body does not say how long it is.
const UNPACKED_BYTES: u64 = 1 << 20;

/// Unpacks a body, which must stay below `limit`.
async fn gunzip(packed: &[u8], limit: usize, into: Destination<'_>) -> Result<(), FetchError> {
    let Destination { body, held, buffers } = into;
    if packed.is_empty() {
        return Err(FetchError::Fetch("EOF".into()));
    }
    let trailer = packed.last_chunk::<8>();
    let size = trailer.map_or(0, |it| u32::from_le_bytes([it[4], it[5], it[6], it[7]]));
    let size = usize::try_from(size).expect("32 bits fit");
    if size < limit && size <= packed.len().saturating_mul(PACKED_AT_MOST) {
        held.grow_to(packed.len() + size).await;
        body.resize(size, 0);
        let done = buffers.with_decompressor(|it| it.gzip_decompress(packed, body));
        let sum = trailer.map_or(0, |it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        // A body may be several gzip members in a row: then the last one's size and sum are not these.
        if done == Ok(size) && libdeflater::crc32(body) == sum {
            return Ok(());
        }
        body.clear();
    }
    let mut reader = flate2::read::MultiGzDecoder::new(packed);
    loop {
        let read = reader.by_ref().take(UNPACKED_BYTES).read_to_end(body);
        if read.map_err(|error| FetchError::Fetch(error.to_string()))? == 0 {
            return Ok(());
        }
        if limit <= body.len() {
            return Err(FetchError::TooLarge);
        }
        held.grow_to(packed.len() + body.len()).await;
    }
}

/// Buffers for pages, shared by all loops: an idle target holds none.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Arc<Mutex<Free>>);

/// Held to take or give one.
#[derive(Default)]
struct Free {
    bodies: Vec<Vec<u8>>,
    decompressors: Vec<Decompressor>,
}

/// Buffers that are kept, and the largest that is.
const KEPT_BUFFERS: usize = 32;
const KEPT_BYTES: usize = 8 << 20;

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.lock().bodies.pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, mut body: Vec<u8>) {
        body.clear();
        let mut free = self.lock();
        if free.bodies.len() < KEPT_BUFFERS && body.capacity() <= KEPT_BYTES {
            free.bodies.push(body);
        }
    }

    fn with_decompressor<T>(&self, work: impl FnOnce(&mut Decompressor) -> T) -> T {
        let free = self.lock().decompressors.pop();
        let mut decompressor = free.unwrap_or_default();
        let done = work(&mut decompressor);
        let mut free = self.lock();
        if free.decompressors.len() < KEPT_BUFFERS {
            free.decompressors.push(decompressor);
        }
        done
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Protocol;
    use crate::room::Room;
    use std::io::Write;

    #[test]
    fn asks_for_formats() {
        let job = Job::new("j", 1000, 1000);
        let expected = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(accept(&job), expected);
    }

    #[test]
    fn reads_content_types() {
        let mut job = Job::new("j", 1000, 1000);
        let check = |job: &Job, header: &str, expected: Result<Format, &str>| {
            assert_eq!(format_of(header, job), expected.map_err(str::to_owned), "{header}");
        };
        check(
            &job,
            "text/plain; version=0.0.4; charset=utf-8",
            Ok(Format::Text(TextFormat::Prometheus)),
        );
        check(&job, "Text/Plain", Ok(Format::Text(TextFormat::Prometheus)));
        check(
            &job,
            "application/openmetrics-text;version=\"1.0.0\"",
            Ok(Format::Text(TextFormat::OpenMetrics)),
        );
        check(
            &job,
            "",
            Err(
                "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target",
            ),
        );
        check(
            &job,
            "text/html",
            Err(
                "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
            ),
        );
        check(
            &job,
            "text/",
            Err(
                "cannot parse Content-Type \"text/\" and no fallback_scrape_protocol for target\nmime: expected token after slash",
            ),
        );
        job.fallback_protocol = Some(Protocol::OpenMetrics001);
        check(&job, "", Ok(Format::Text(TextFormat::OpenMetrics)));
        check(&job, "text/html", Ok(Format::Text(TextFormat::OpenMetrics)));
    }

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    async fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, FetchError> {
        let (mut body, mut held) = (Vec::new(), Room::new(0).page());
        let into = Destination { body: &mut body, held: &mut held, buffers: &Buffers::default() };
        gunzip(packed, limit, into).await.map(|()| body)
    }

    #[tokio::test]
    async fn unpacks_within_the_limit() {
        let text = "a 1\n".repeat(1000);
        let packed = pack(text.as_bytes());
        assert_eq!(unpack(&packed, usize::MAX).await.as_deref(), Ok(text.as_bytes()));
        assert_eq!(unpack(&packed, 4001).await.as_deref(), Ok(text.as_bytes()));
        assert_eq!(unpack(&packed, 4000).await, Err(FetchError::TooLarge));
        let two = [pack(b"abc"), pack(b"def")].concat();
        assert_eq!(unpack(&two, usize::MAX).await.as_deref(), Ok(&b"abcdef"[..]));
        let two = [pack(b"abc"), pack(b"")].concat();
        assert_eq!(unpack(&two, usize::MAX).await.as_deref(), Ok(&b"abc"[..]));
        assert_eq!(unpack(&pack(b""), usize::MAX).await.as_deref(), Ok(&b""[..]));
        assert!(unpack(b"no gzip at all", usize::MAX).await.is_err());
        assert!(unpack(&packed[..packed.len() - 3], usize::MAX).await.is_err());
        // A bomb that does not say what it is: its trailer speaks of the last member.
        let bomb = [pack(&vec![b'#'; 64 << 20]), pack(b"")].concat();
        assert_eq!(unpack(&bomb, 4 << 20).await, Err(FetchError::TooLarge));
    }
}
