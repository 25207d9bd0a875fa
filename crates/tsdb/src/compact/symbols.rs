//! The symbols of several sources as one sorted list.

use block::Error;

use crate::source::SeriesSource;

/// Calls back with the symbols of all sources, sorted, each once, `""` first; with each the sources that
/// have it.
pub(super) fn each_symbol(
    sources: &[Box<dyn SeriesSource + '_>],
    each: &mut dyn FnMut(&[u8], &[usize]),
) {
    let mut inputs: Vec<_> = sources.iter().map(|it| it.symbols().peekable()).collect();
    let mut having = Vec::with_capacity(inputs.len());
    // The list of all series is stored under the empty symbol, whether or not a source has it.
    let mut least: Option<&[u8]> = Some(b"");
    while let Some(symbol) = least {
        having.clear();
        for (at, input) in inputs.iter_mut().enumerate() {
            if input.next_if(|it| *it == symbol).is_some() {
                having.push(at);
            }
        }
        each(symbol, &having);
        least = inputs.iter_mut().filter_map(|it| it.peek().copied()).min();
    }
}

/// Returns for each source a table: position of a symbol there ▸ position in the merged list.
pub(super) fn tables(sources: &[Box<dyn SeriesSource + '_>]) -> Result<Vec<Vec<u32>>, Error> {
    let mut tables: Vec<Vec<u32>> = vec![Vec::new(); sources.len()];
    let mut n = 0u64;
    each_symbol(sources, &mut |_, having| {
        for source in having {
            tables[*source].push(u32::try_from(n).unwrap_or(u32::MAX));
        }
        n += 1;
    });
    if u64::from(u32::MAX) < n {
        return Err(Error::Refused(format!("{n} symbols do not fit an index")));
    }
    Ok(tables)
}
