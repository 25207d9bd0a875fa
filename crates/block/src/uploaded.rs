//! The list of blocks that were copied elsewhere, as whoever copies them keeps it: `{"uploaded":["<ULID>",…]}`.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::Ulid;

/// Reads such a list. Other keys are passed over.
///
/// # Errors
/// What is wrong with it.
pub fn parse_uploaded(text: &[u8]) -> Result<BTreeSet<Ulid>, String> {
    let list: List = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(list.uploaded.unwrap_or_default())
}

#[derive(Deserialize)]
struct List {
    uploaded: Option<BTreeSet<Ulid>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists() {
        let list = br#"{"version":1,"uploaded":["01ARZ3NDEKTSV4RRFFQ69G5FAV"]}"#;
        let found: Vec<String> =
            parse_uploaded(list).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
        assert_eq!(parse_uploaded(br#"{"uploaded":null}"#), Ok(BTreeSet::new()));
        assert_eq!(parse_uploaded(b"{}"), Ok(BTreeSet::new()));
        for bad in ["", "[]", r#"{"uploaded":["x"]}"#] {
            assert!(parse_uploaded(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
