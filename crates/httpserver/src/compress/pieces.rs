//! Bodies that are made piece by piece, compressed as they come.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::body::Frame;

use super::Encoding;

/// A body and what compresses it.
pub(super) struct Packed {
    body: Body,
    /// `None` when all is written.
    encoder: Option<Encoder>,
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// Takes a piece in; gives what came out, which is nothing now and then.
    fn add(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let out = match self {
            Self::Gzip(it) => it.write_all(piece).map(|()| it.get_mut()),
            Self::Deflate(it) => it.write_all(piece).map(|()| it.get_mut()),
        };
        out.map(std::mem::take)
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(it) => it.finish(),
            Self::Deflate(it) => it.finish(),
        }
    }
}

impl Packed {
    pub(super) fn new(body: Body, encoding: Encoding) -> Self {
        Self { body, encoder: Some(Encoder::new(encoding)) }
    }
}

impl HttpBody for Packed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if self.encoder.is_none() {
                return Poll::Ready(None);
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()?;
            let data = frame.map(|it| it.into_data().unwrap_or_default());
            let out = match (data, &mut self.encoder) {
                (Some(data), Some(encoder)) => encoder.add(&data),
                _ => self.encoder.take().map_or(Ok(Vec::new()), Encoder::finish),
            };
            let out = out.map_err(axum::Error::new)?;
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::io::Read;

    use super::*;

    struct Pieces(VecDeque<Vec<u8>>);

    impl HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|it| Ok(Frame::data(Bytes::from(it)))))
        }
    }

    #[tokio::test]
    async fn unpacks_to_the_whole() {
        let pieces: Vec<Vec<u8>> = (0..100u8).map(|it| vec![it; usize::from(it) * 500]).collect();
        let whole = pieces.concat();
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let body = Body::new(Pieces(pieces.clone().into()));
            let packed = Body::new(Packed::new(body, encoding));
            let packed = axum::body::to_bytes(packed, usize::MAX).await.unwrap();
            assert!(packed.len() < whole.len() / 10);
            let mut read = Vec::new();
            match encoding {
                Encoding::Gzip => flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut read),
                Encoding::Deflate => {
                    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut read)
                }
            }
            .unwrap();
            assert!(read == whole);
        }
    }
}
