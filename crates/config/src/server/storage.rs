//! `storage`.

use model::quote;
use yaml::{Decode, Decoder, Fatal, Node, Value};

use crate::echo::Echo;
use crate::scalar::{duration, size};

/// How the database keeps data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storage {
    /// The database.
    pub tsdb: Tsdb,
    /// How many exemplars are held in memory; `None` if the file does not say.
    pub max_exemplars: Option<i64>,
}

/// `storage.tsdb`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tsdb {
    /// How far behind the newest sample of its series a sample may be.
    pub out_of_order_time_window_ms: i64,
    /// Share of stale series that starts an early compaction; 0 is never.
    pub stale_series_compaction_threshold: f64,
    /// How long to keep; `None` leaves it to the flags.
    pub retention: Option<Retention>,
    /// Encoding of float chunks.
    pub float_encoding: FloatEncoding,
}

/// `storage.tsdb.retention`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retention {
    /// How long; `None` if not written, 0 is no bound.
    pub time_ms: Option<i64>,
    /// How many bytes; 0 is no bound.
    pub size_bytes: i64,
    /// How much of the file system, in percent; 0 is no bound.
    pub percentage: f64,
}

/// An encoding of float chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatEncoding {
    /// The file does not say.
    #[default]
    Unset,
    /// The classic one.
    Xor,
    /// The newer one, with start timestamps.
    Xor2,
}

/// Retention unless file or flags say otherwise: 15 days.
pub const DEFAULT_RETENTION_MS: i64 = 15 * 24 * 3600 * 1000;

/// Exemplars held in memory unless the file says otherwise.
pub const DEFAULT_MAX_EXEMPLARS: i64 = 100_000;

impl Storage {
    pub(crate) fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.put("tsdb", self.tsdb.echo());
        if let Some(max) = self.max_exemplars {
            let mut exemplars = Echo::default();
            exemplars.put("max_exemplars", Value::Int(max));
            echo.put("exemplars", exemplars.value());
        }
        echo.value()
    }
}

impl Decode for Storage {
    fn go_type() -> String {
        "config.StorageConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.StorageConfig", |decoder, key, value| {
            match key {
                "tsdb" => decoder.set(value, &mut self.tsdb)?,
                "exemplars" => {
                    let mut exemplars = None;
                    decoder.set(value, &mut exemplars)?;
                    self.max_exemplars = exemplars.map(|Exemplars(max)| max);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

struct Exemplars(i64);

impl Default for Exemplars {
    fn default() -> Self {
        Self(DEFAULT_MAX_EXEMPLARS)
    }
}

impl Decode for Exemplars {
    fn go_type() -> String {
        "config.ExemplarsConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.ExemplarsConfig", |decoder, key, value| {
            let known = key == "max_exemplars";
            if known {
                decoder.set(value, &mut self.0)?;
            }
            Ok(known)
        })?;
        Ok(())
    }
}

impl Tsdb {
    fn echo(&self) -> Value {
        let mut echo = Echo::default();
        // Upstream shows a field of its own that nobody named for the file.
        echo.put("outofordertimewindow", Value::Int(self.out_of_order_time_window_ms));
        echo.duration("out_of_order_time_window", self.out_of_order_time_window_ms);
        echo.float("stale_series_compaction_threshold", self.stale_series_compaction_threshold);
        let default = Retention { time_ms: Some(DEFAULT_RETENTION_MS), ..Retention::default() };
        echo.section("retention", self.retention.as_ref().unwrap_or(&default).echo());
        let encoding = match self.float_encoding {
            FloatEncoding::Unset => "",
            FloatEncoding::Xor => "xor",
            FloatEncoding::Xor2 => "xor2",
        };
        let mut chunks = Echo::default();
        chunks.text("floats", encoding);
        echo.section("chunk_encoding", chunks.value());
        echo.value()
    }

    fn read_encoding(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let mut floats = ChunkEncoding::default();
        decoder.set(node, &mut floats)?;
        self.float_encoding = match floats.0.as_str() {
            "" => FloatEncoding::Unset,
            "xor" => FloatEncoding::Xor,
            "xor2" => FloatEncoding::Xor2,
            other => {
                return Err(Fatal(format!(
                    "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be \
                     omitted entirely, got {}",
                    quote(other)
                )));
            }
        };
        Ok(())
    }
}

impl Decode for Tsdb {
    fn go_type() -> String {
        "config.plain".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "out_of_order_time_window" => {
                    duration(decoder, value, &mut self.out_of_order_time_window_ms)?
                }
                "outofordertimewindow" => decoder.set(value, &mut 0i64)?,
                "stale_series_compaction_threshold" => {
                    decoder.set(value, &mut self.stale_series_compaction_threshold)?;
                }
                "retention" => decoder.set(value, &mut self.retention)?,
                "chunk_encoding" => self.read_encoding(value, decoder)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

#[derive(Default)]
struct ChunkEncoding(String);

impl Decode for ChunkEncoding {
    fn go_type() -> String {
        "config.TSDBChunkEncodingConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.TSDBChunkEncodingConfig", |decoder, key, value| {
            let known = key == "floats";
            if known {
                decoder.set(value, &mut self.0)?;
            }
            Ok(known)
        })?;
        Ok(())
    }
}

impl Retention {
    fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.duration("time", self.time_ms.unwrap_or(DEFAULT_RETENTION_MS));
        echo.size("size", self.size_bytes);
        echo.float("percentage", self.percentage);
        echo.value()
    }

    fn check(&self) -> Result<(), Fatal> {
        if self.size_bytes < 0 {
            let got = crate::size::format(self.size_bytes);
            return Err(Fatal(format!(
                "'storage.tsdb.retention.size' must be greater than or equal to 0, got {got}"
            )));
        }
        if !(0.0..=100.0).contains(&self.percentage) {
            let got = stdx::gofloat::format_g(self.percentage);
            return Err(Fatal(format!(
                "'storage.tsdb.retention.percentage' must be in the range [0, 100], got {got}"
            )));
        }
        Ok(())
    }
}

impl Decode for Retention {
    fn go_type() -> String {
        "config.TSDBRetentionConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let clean = decoder.fields(node, "config.plain", |decoder, key, value| {
            match key {
                "time" => duration(decoder, value, self.time_ms.get_or_insert(0))?,
                "size" => size(decoder, value, &mut self.size_bytes)?,
                "percentage" => decoder.set(value, &mut self.percentage)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if clean { self.check() } else { Ok(()) }
    }
}
