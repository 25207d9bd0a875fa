//! Response compression as upstream negotiates it.
//!
//! The first of `gzip` and `deflate` (a zlib stream) that `Accept-Encoding` names, in its order, is used;
//! weights are not understood: a token with `;q=` is passed over. Answers carry `Vary: Accept-Encoding`. A body
//! that is made piece by piece is compressed so.

mod pieces;

use std::io::Write;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use pieces::Packed;

/// Below this many bytes a body is sent as it is: the header would cost more.
const BYTES_MIN: usize = 128;
/// Above this many bytes compressing is moved off the runtime's event loop.
const BYTES_INLINE_MAX: usize = 64 << 10;
/// Bodies whose size is known are in memory already.
const BYTES_MAX: usize = usize::MAX;

/// An encoding that a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Deflate,
}

/// Picks the encoding for a request.
pub fn negotiate(headers: &HeaderMap) -> Option<Encoding> {
    let accepted = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    accepted.split(',').find_map(|token| match token.trim() {
        "gzip" => Some(Encoding::Gzip),
        "deflate" => Some(Encoding::Deflate),
        _ => None,
    })
}

/// Compresses `bytes` at the fastest level.
pub fn compress(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let out = Vec::with_capacity(bytes.len() / 4);
    let written = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(out, Compression::fast());
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        }
    };
    written.expect("writing to memory does not fail")
}

/// Compresses the answer if the client takes it and it is not encoded already.
pub(crate) async fn middleware(request: Request, next: Next) -> Response {
    let encoding = negotiate(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match encoding {
        Some(encoding) if !bodiless && !response.headers().contains_key(CONTENT_ENCODING) => {
            encode(response, encoding).await
        }
        _ => response,
    }
}

async fn encode(response: Response, encoding: Encoding) -> Response {
    let (mut head, body) = response.into_parts();
    if body.size_hint().exact().is_none() {
        head.headers.insert(CONTENT_ENCODING, name(encoding));
        return Response::from_parts(head, Body::new(Packed::new(body, encoding)));
    }
    let bytes = match axum::body::to_bytes(body, BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::warn!(%error, "an answer could not be built");
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            return Response::from_parts(head, Body::empty());
        }
    };
    if bytes.len() < BYTES_MIN {
        return Response::from_parts(head, Body::from(bytes));
    }
    let packed = pack(bytes, encoding).await;
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, name(encoding));
    Response::from_parts(head, Body::from(packed))
}

fn name(encoding: Encoding) -> HeaderValue {
    HeaderValue::from_static(match encoding {
        Encoding::Gzip => "gzip",
        Encoding::Deflate => "deflate",
    })
}

async fn pack(bytes: Bytes, encoding: Encoding) -> Vec<u8> {
    if bytes.len() <= BYTES_INLINE_MAX {
        return compress(&bytes, encoding);
    }
    tokio::task::spawn_blocking(move || compress(&bytes, encoding))
        .await
        .expect("compressing does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn check(header: &str, expected: Option<Encoding>) {
        let headers =
            HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(header).unwrap())]);
        assert_eq!(negotiate(&headers), expected, "{header}");
    }

    #[test]
    fn takes_the_first_it_knows() {
        check("gzip, deflate, br", Some(Encoding::Gzip));
        check("br, deflate, gzip", Some(Encoding::Deflate));
        check("gzip;q=1.0, deflate", Some(Encoding::Deflate));
        check("identity", None);
        assert_eq!(negotiate(&HeaderMap::new()), None);
    }

    #[test]
    fn packs_what_unpacks() {
        let text = "the same again and again ".repeat(100);
        let mut read = String::new();
        flate2::read::GzDecoder::new(&compress(text.as_bytes(), Encoding::Gzip)[..])
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, text);
        read.clear();
        flate2::read::ZlibDecoder::new(&compress(text.as_bytes(), Encoding::Deflate)[..])
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, text);
    }
}
