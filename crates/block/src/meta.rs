//! `meta.json`: what a block is. Format: `docs/format/meta.md`.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stdx::Directory;

use crate::{Error, Ulid};

/// The name of the file in the block's folder.
pub const META_FILE: &str = "meta.json";
/// The hint of blocks that hold samples which came out of order, and may overlap others.
pub const HINT_OUT_OF_ORDER: &str = "from-out-of-order";
/// The hint of blocks written early from series that ended.
pub const HINT_STALE_SERIES: &str = "from-stale-series";
/// The hint of blocks written from a choice of series.
pub const HINT_SELECTED_SERIES: &str = "from-selected-series";

const VERSION: u32 = 1;
const MISLABELLED: u32 = 2;

/// What a block is: its name, its time range `mint..maxt` (half open), how it came to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The block's name.
    pub ulid: Ulid,
    /// First millisecond of the range.
    #[serde(rename = "minTime")]
    pub mint: i64,
    /// First millisecond after the range.
    #[serde(rename = "maxTime")]
    pub maxt: i64,
    /// Counts.
    #[serde(default)]
    pub stats: BlockStats,
    /// Origin.
    #[serde(default)]
    pub compaction: Compaction,
    version: u32,
}

/// How much a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockStats {
    /// Samples of all kinds.
    #[serde(rename = "numSamples", skip_serializing_if = "is_zero")]
    pub n_samples: u64,
    /// Floats.
    #[serde(rename = "numFloatSamples", skip_serializing_if = "is_zero")]
    pub n_float_samples: u64,
    /// Histograms.
    #[serde(rename = "numHistogramSamples", skip_serializing_if = "is_zero")]
    pub n_histogram_samples: u64,
    /// Series.
    #[serde(rename = "numSeries", skip_serializing_if = "is_zero")]
    pub n_series: u64,
    /// Chunks.
    #[serde(rename = "numChunks", skip_serializing_if = "is_zero")]
    pub n_chunks: u64,
    /// Deleted intervals, over all series.
    #[serde(rename = "numTombstones", skip_serializing_if = "is_zero")]
    pub n_tombstones: u64,
}

/// How a block came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// 1 from the head, one more than the highest parent's after merging.
    pub level: u32,
    /// The level-1 blocks in it, sorted; itself if it is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Ulid>,
    /// Holds nothing and may go.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deletable: bool,
    /// The blocks it was made of, which it replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Merging it failed; it is left alone since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub failed: bool,
    /// Such as [`HINT_OUT_OF_ORDER`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A block that another was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its name.
    pub ulid: Ulid,
    /// First millisecond of its range.
    #[serde(rename = "minTime")]
    pub mint: i64,
    /// First millisecond after its range.
    #[serde(rename = "maxTime")]
    pub maxt: i64,
}

impl Meta {
    /// Describes a block of the range `mint..maxt`; the rest is for the caller to fill in.
    pub fn new(ulid: Ulid, mint: i64, maxt: i64) -> Self {
        let (stats, compaction) = (BlockStats::default(), Compaction::default());
        Self { ulid, mint, maxt, stats, compaction, version: VERSION }
    }

    /// Reads the file of the block in folder `block`.
    ///
    /// # Errors
    /// If it cannot be read, is no JSON of this shape, or of another version.
    pub fn read(dir: &dyn Directory, block: &Path) -> Result<Self, Error> {
        let path = block.join(META_FILE);
        let bytes = dir.read(&path).map_err(Error::io(&path))?;
        Self::from_json(&bytes).map_err(|reason| Error::corrupt(&path, reason))
    }

    /// Reads the file if it has the version that 2.1.0 gave to what is version 1.
    pub(crate) fn read_mislabelled(dir: &dyn Directory, block: &Path) -> Option<Self> {
        let bytes = dir.read(&block.join(META_FILE)).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|it: &Self| it.version == MISLABELLED)
    }

    pub(crate) fn set_version(&mut self) {
        self.version = VERSION;
    }

    /// Replaces the file of the block in folder `block`: all of it or nothing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&self, dir: &dyn Directory, block: &Path) -> Result<(), Error> {
        let path = block.join(META_FILE);
        replace_file(dir, &path, &self.to_json())
    }

    /// True if `hint` is among its hints.
    pub fn has_hint(&self, hint: &str) -> bool {
        self.compaction.hints.iter().any(|it| it == hint)
    }

    /// This block as the parent of another.
    pub fn as_parent(&self) -> Parent {
        Parent { ulid: self.ulid, mint: self.mint, maxt: self.maxt }
    }

    /// What the file says, as JSON on one line.
    pub fn to_json_line(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing to memory does not fail")
    }

    fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let meta: Self = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
        if meta.version != VERSION {
            return Err(format!("unexpected meta file version {}", meta.version));
        }
        Ok(meta)
    }

    fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, tabs);
        self.serialize(&mut serializer).expect("writing to memory does not fail");
        out
    }
}

/// Writes `path` beside itself, makes it durable and renames it into place.
pub(crate) fn replace_file(dir: &dyn Directory, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let tmp = path.with_file_name(name);
    let mut file = dir.create(&tmp).map_err(Error::io(&tmp))?;
    file.write_all(bytes)
        .and_then(|()| file.flush())
        .and_then(|()| file.sync())
        .map_err(Error::io(&tmp))?;
    drop(file);
    dir.rename(&tmp, path).map_err(Error::io(path))?;
    let parent = path.parent().unwrap_or(Path::new(""));
    dir.sync_dir(parent).map_err(Error::io(parent))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape serde asks for")]
fn is_false(it: &bool) -> bool {
    !it
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{
	"ulid": "01BZJ9WJQPWHGNC2W4J9TA62KC",
	"minTime": -5,
	"maxTime": 7200000,
	"stats": {
		"numSamples": 3,
		"numFloatSamples": 3,
		"numSeries": 1,
		"numChunks": 1
	},
	"compaction": {
		"level": 2,
		"sources": [
			"01BZJ9WJQPWHGNC2W4J9TA62KC"
		],
		"deletable": true,
		"parents": [
			{
				"ulid": "00000000000000000000000000",
				"minTime": 0,
				"maxTime": 0
			}
		],
		"failed": true,
		"hints": [
			"from-out-of-order"
		]
	},
	"version": 1
}"#;

    #[test]
    fn keeps_the_layout() {
        let meta = Meta::from_json(FULL.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(meta.to_json()).unwrap(), FULL);
        assert!(meta.has_hint(HINT_OUT_OF_ORDER) && meta.compaction.parents[0].ulid == Ulid::ZERO);
        let empty = Meta::new(meta.ulid, 1, 2);
        let text = "{\n\t\"ulid\": \"01BZJ9WJQPWHGNC2W4J9TA62KC\",\n\t\"minTime\": 1,\n\t\"maxTime\": 2,\n\t\"stats\": {},\n\t\"compaction\": {\n\t\t\"level\": 0\n\t},\n\t\"version\": 1\n}";
        assert_eq!(String::from_utf8(empty.to_json()).unwrap(), text);
    }

    #[test]
    fn refuses_other_versions() {
        let later = FULL.replace("\"version\": 1", "\"version\": 2, \"more\": {}");
        assert_eq!(
            Meta::from_json(later.as_bytes()),
            Err("unexpected meta file version 2".to_owned())
        );
        assert!(Meta::from_json(b"{").is_err());
    }
}
