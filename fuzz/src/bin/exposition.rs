//! Any bytes as a page, in both formats.
#![no_main]

use exposition::{Entry, Parser, TextFormat};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut builder = model::LabelsBuilder::default();
    for format in [TextFormat::Prometheus, TextFormat::OpenMetrics] {
        let mut parser = Parser::new(input, format);
        let mut before = 0;
        while let Some(Ok(entry)) = parser.next() {
            assert!(before < parser.offset(), "the parser goes on");
            before = parser.offset();
            if let Entry::Series(series) = entry {
                let _ = parser.labels_into(series.raw, &mut builder);
                let _ = series.exemplar.map(|it| it.labels());
            }
        }
    }
});
