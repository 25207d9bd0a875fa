//! Pages of any format, with samples of any kind.

use crate::convert::Conversion;
use crate::entry::ParseError;
use crate::line::{Line, PageSample};
use crate::proto::ProtoPage;
use crate::text::TextPage;
use crate::{Format, Reading};

/// Walks a page of any format. Slower than [`Parser`](crate::Parser), which knows text and floats only: names and
/// labels are copied.
#[derive(Clone, Debug)]
pub struct AnyParser<'a> {
    len: usize,
    source: Source<'a>,
    is_done: bool,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Text(TextPage<'a>),
    Converted(TextPage<'a>, Box<Conversion<'a>>),
    Proto(Box<ProtoPage<'a>>),
}

impl<'a> AnyParser<'a> {
    /// Starts at the beginning of `page`.
    pub fn new(page: &'a [u8], format: Format, reading: Reading) -> Self {
        let source = match format {
            Format::Protobuf => Source::Proto(Box::new(ProtoPage::new(page, reading))),
            Format::Text(format) => {
                let page = TextPage::new(page, format, reading);
                if reading.convert {
                    Source::Converted(page, Box::new(Conversion::new(reading.classic)))
                } else {
                    Source::Text(page)
                }
            }
        };
        Self { len: page.len(), source, is_done: false }
    }

    /// Reads the next statement; a sample goes to `out`. `None` at the end of the page, and after an error.
    ///
    /// # Errors
    /// Where and why the page is wrong.
    pub fn next(&mut self, out: &mut PageSample) -> Option<Result<Line<'a>, ParseError>> {
        if self.is_done {
            return None;
        }
        let next = match &mut self.source {
            Source::Text(page) => page.next(out),
            Source::Converted(page, conversion) => conversion.next(page, out),
            Source::Proto(page) => {
                let offset = self.len - page.rest();
                page.next(out).map_err(|message| ParseError { offset, message })
            }
        };
        self.is_done = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}
