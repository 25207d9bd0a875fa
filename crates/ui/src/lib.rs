//! The built web pages, embedded.
//!
//! The pages are built from the sources in `web/` by `npm run build`, which writes `dist/` next to
//! this crate; both are in the repository, so that building the server needs no Node. Text is stored
//! as its gzip (`NAME.gz`) and sent as it is, with `Content-Encoding: gzip`; fonts are stored plain,
//! being compressed already, and so is `index.html`.
//!
//! Names below `assets/` carry a hash of their content: what is served under such a name never
//! changes and may be kept for ever. All other names must be asked for anew, with the entity tag.
//!
//! A lookup is a binary search over about fifteen names; nothing is copied or allocated but the tag.
//! Which addresses are pages (and get [`index`]) is up to the server, and so is the policy header.
//! The pages are content with
//! `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:`.

use std::borrow::Cow;

use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "dist/"]
struct Dist;

/// A file of the web pages, ready to be sent.
#[derive(Debug, Clone)]
pub struct File {
    /// The body, compressed when `gzipped` says so.
    pub bytes: Cow<'static, [u8]>,
    /// For the `Content-Type` header.
    pub content_type: &'static str,
    /// For the `ETag` header, quotes included.
    pub etag: String,
    /// True when `Content-Encoding: gzip` must be sent along.
    pub gzipped: bool,
    /// True when the content under this name never changes.
    pub immutable: bool,
}

/// Returns the file under a path relative to the pages' root, such as `favicon.svg`.
///
/// ```
/// let icon = ui::file("favicon.svg").expect("part of the pages");
/// assert_eq!(icon.content_type, "image/svg+xml");
/// assert!(ui::file("no-such-file").is_none());
/// ```
pub fn file(path: &str) -> Option<File> {
    let content_type = content_type(path)?;
    if let Some(found) = Dist::get(&format!("{path}.gz")) {
        return Some(to_file(path, found, content_type, true));
    }
    Dist::get(path).map(|found| to_file(path, found, content_type, false))
}

/// Returns the document every page starts from. It is not compressed, and refers to its assets
/// relative to the last `/` of its own address.
///
/// # Panics
///
/// Panics if the pages were embedded without it, which a test rules out.
pub fn index() -> File {
    file("index.html").expect("the build of the pages has an index.html")
}

fn to_file(path: &str, found: EmbeddedFile, content_type: &'static str, gzipped: bool) -> File {
    let hash = found.metadata.sha256_hash();
    let etag = hash[..8].iter().fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}"));
    File {
        bytes: found.data,
        content_type,
        etag: etag + "\"",
        gzipped,
        immutable: path.starts_with("assets/") && !path.ends_with(".txt"),
    }
}

/// Returns the content type by the end of the name; none for kinds the pages do not consist of.
fn content_type(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

    #[test]
    fn each_name_in_the_index_is_embedded() {
        let index = index();
        assert!(!index.gzipped && !index.immutable);
        let html = std::str::from_utf8(&index.bytes).unwrap();
        let names: Vec<&str> =
            html.split(['"', '\'']).filter_map(|text| text.strip_prefix("./")).collect();
        assert!(names.len() >= 3, "script, style and icon are named relative to the page: {html}");
        for name in names {
            file(name).unwrap_or_else(|| panic!("{name} is not embedded"));
        }
    }

    #[test]
    fn text_is_gzip_without_a_time() {
        let stored: Vec<_> = Dist::iter().filter(|name| name.ends_with(".gz")).collect();
        assert!(!stored.is_empty());
        for name in stored {
            let file = file(name.trim_end_matches(".gz")).unwrap();
            assert!(file.gzipped, "{name}");
            assert_eq!(file.bytes[..2], GZIP_MAGIC, "{name}");
            assert_eq!(file.bytes[4..8], [0; 4], "{name}: the header holds no time");
        }
    }

    #[test]
    fn scripts_fit_their_budget() {
        const BYTES_MAX: usize = 400_000;
        let total: usize = Dist::iter()
            .filter(|name| name.ends_with(".js.gz"))
            .map(|name| Dist::get(&name).unwrap().data.len())
            .sum();
        assert!(total <= BYTES_MAX, "{total} bytes of compressed scripts");
    }

    #[test]
    fn strange_paths_find_nothing() {
        for path in
            ["", ".", "..", "../Cargo.toml", "/index.html", "assets/", "index.html.gz", "x\0.js"]
        {
            assert!(file(path).is_none(), "{path:?}");
        }
    }

    #[test]
    fn tags_differ_and_stay() {
        let (a, b) = (index(), file("favicon.svg").unwrap());
        assert_ne!(a.etag, b.etag);
        assert_eq!(a.etag, index().etag);
        assert!(a.etag.starts_with('"') && a.etag.ends_with('"') && a.etag.len() == 18);
    }
}
