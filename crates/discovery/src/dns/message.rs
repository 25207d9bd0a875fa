//! DNS messages (RFC 1035, with EDNS of RFC 6891): a question out, an answer in.
//!
//! An answer is at most 64 KiB, a name at most 255 bytes, and a compressed name points only backwards, so whatever
//! a server sends is read in one pass.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// IPv4 addresses.
    A,
    /// Name servers.
    Ns,
    /// Mail exchangers.
    Mx,
    /// IPv6 addresses.
    Aaaa,
    /// Services.
    Srv,
}

/// A record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A name server's name, with a dot at its end as all names.
    Ns(String),
    /// A mail exchanger's name.
    Mx(String),
    /// A service's host and port.
    Srv(String, u16),
    /// Another name of what was asked for.
    Alias,
    /// Anything else: its type.
    Other(u16),
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What became of the question.
    pub(super) code: Code,
    /// Whether records are missing for want of room.
    pub(super) is_truncated: bool,
    /// The records of the answer section.
    pub(super) records: Vec<Record>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// It was answered, maybe by no records.
    Success,
    /// The server did not understand it.
    FormatError,
    /// The name does not exist.
    NoSuchName,
    /// The server failed or refused, by its number.
    Other(u8),
}

/// Why a message cannot be made or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A part of the name is empty or over 63 bytes, or all of it over 255.
    Name,
    /// The message ends too early.
    Short,
    /// It answers another question, or none.
    Foreign,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Name => "bad domain name",
            Problem::Short => "message is too short",
            Problem::Foreign => "answer to another question",
        })
    }
}

impl std::error::Error for Problem {}

/// Bytes that an answer over UDP may have: what passes any network in one piece.
pub(super) const UDP_BYTES_MAX: u16 = 1232;

const HEADER_BYTES: usize = 12;
const NAME_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: usize = 63;
const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;

/// Flags, from the highest bit: this is an answer; it is truncated; recursion is desired.
const IS_ANSWER: u16 = 0x8000;
const IS_TRUNCATED: u16 = 0x0200;
const RECURSE: u16 = 0x0100;

impl Kind {
    fn number(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Ns => 2,
            Kind::Mx => 15,
            Kind::Aaaa => 28,
            Kind::Srv => 33,
        }
    }
}

/// A question about one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    /// As it stands in the message: each label behind its length, and a zero.
    name: Vec<u8>,
    kind: Kind,
}

impl Question {
    /// Asks about a name; a dot at its end may be left out.
    ///
    /// # Errors
    /// [`Problem::Name`].
    pub(super) fn new(id: u16, name: &str, kind: Kind) -> Result<Self, Problem> {
        let mut bytes = Vec::with_capacity(name.len() + 2);
        let name = name.strip_suffix('.').unwrap_or(name);
        for label in name.split('.').filter(|_| !name.is_empty()) {
            let len = u8::try_from(label.len()).map_err(|_| Problem::Name)?;
            if len == 0 || LABEL_BYTES_MAX < label.len() {
                return Err(Problem::Name);
            }
            bytes.push(len);
            bytes.extend_from_slice(label.as_bytes());
        }
        bytes.push(0);
        if NAME_BYTES_MAX < bytes.len() {
            return Err(Problem::Name);
        }
        Ok(Self { id, name: bytes, kind })
    }

    /// Returns the message. With `edns` it says how long an answer may be.
    pub(super) fn encode(&self, edns: bool) -> Vec<u8> {
        let counts = [1, 0, 0, u16::from(edns)];
        let mut out = Vec::with_capacity(HEADER_BYTES + self.name.len() + 15);
        let put = |numbers: &[u16], out: &mut Vec<u8>| {
            numbers.iter().for_each(|it| out.extend_from_slice(&it.to_be_bytes()));
        };
        put(&[self.id, RECURSE], &mut out);
        put(&counts, &mut out);
        out.extend_from_slice(&self.name);
        put(&[self.kind.number(), CLASS_IN], &mut out);
        if edns {
            // The root as the name; the class is the size, the time to live more flags, and there is no data.
            out.push(0);
            put(&[TYPE_OPT, UDP_BYTES_MAX, 0, 0, 0], &mut out);
        }
        out
    }

    /// Reads the answer to this question.
    ///
    /// # Errors
    /// [`Problem::Foreign`] if it belongs to another one, else what is wrong with it. A truncated answer may end
    /// anywhere, and has no records.
    pub(super) fn decode(&self, message: &[u8]) -> Result<Answer, Problem> {
        let mut reader = Reader { message, at: 0 };
        let (id, flags) = (reader.number()?, reader.number()?);
        let (n_questions, n_answers) = (reader.number()?, reader.number()?);
        if id != self.id || flags & IS_ANSWER == 0 {
            return Err(Problem::Foreign);
        }
        let code = code(flags);
        // Who did not understand the question may not repeat it.
        if n_questions != 1 && code != Code::FormatError {
            return Err(Problem::Foreign);
        }
        reader.at = HEADER_BYTES;
        for _ in 0..n_questions {
            self.check(&mut reader)?;
        }
        let is_truncated = flags & IS_TRUNCATED != 0;
        let n_records = if is_truncated { 0 } else { n_answers };
        let mut records = Vec::new();
        for _ in 0..n_records {
            records.extend(reader.record()?);
        }
        Ok(Answer { code, is_truncated, records })
    }

    fn check(&self, reader: &mut Reader<'_>) -> Result<(), Problem> {
        let name = reader.bytes(self.name.len())?;
        let is_ours = name.eq_ignore_ascii_case(&self.name)
            && reader.number()? == self.kind.number()
            && reader.number()? == CLASS_IN;
        if is_ours { Ok(()) } else { Err(Problem::Foreign) }
    }
}

fn code(flags: u16) -> Code {
    match flags & 0xf {
        0 => Code::Success,
        1 => Code::FormatError,
        3 => Code::NoSuchName,
        other => Code::Other(u8::try_from(other).unwrap_or(u8::MAX)),
    }
}

/// Walks a message.
#[derive(Clone, Copy)]
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Problem> {
        let bytes = self.message.get(self.at..self.at + len).ok_or(Problem::Short)?;
        self.at += len;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.bytes(1)?[0])
    }

    fn number(&mut self) -> Result<u16, Problem> {
        let bytes = self.bytes(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.bytes(N)?.try_into().map_err(|_| Problem::Short)
    }

    /// Reads a record; `None` if it is not of the internet's class.
    fn record(&mut self) -> Result<Option<Record>, Problem> {
        self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        // How long it may be kept: it is asked for again at the next refresh.
        self.bytes(4)?;
        let len = usize::from(self.number()?);
        let mut data = Reader { message: self.message, at: self.at };
        self.bytes(len)?;
        if class != CLASS_IN {
            return Ok(None);
        }
        data.message = &self.message[..self.at];
        data.data(kind).map(Some)
    }

    fn data(&mut self, kind: u16) -> Result<Record, Problem> {
        Ok(match kind {
            1 => Record::A(Ipv4Addr::from(self.array::<4>()?)),
            28 => Record::Aaaa(Ipv6Addr::from(self.array::<16>()?)),
            2 => Record::Ns(self.name()?),
            5 => Record::Alias,
            15 => {
                // The preference.
                self.number()?;
                Record::Mx(self.name()?)
            }
            33 => {
                // Priority and weight.
                self.bytes(4)?;
                let port = self.number()?;
                Record::Srv(self.name()?, port)
            }
            other => Record::Other(other),
        })
    }

    /// Reads a name, with a dot behind each label.
    fn name(&mut self) -> Result<String, Problem> {
        let mut name = String::new();
        let (mut walk, mut n_bytes) = (*self, 0);
        let mut end = None;
        // Where a pointer may lead at most: always further back.
        let mut limit = self.at;
        loop {
            let len = walk.byte()?;
            match len >> 6 {
                0b00 if len == 0 => break,
                0b00 => {
                    n_bytes += 1 + usize::from(len);
                    if NAME_BYTES_MAX <= n_bytes {
                        return Err(Problem::Name);
                    }
                    push_label(&mut name, walk.bytes(usize::from(len))?);
                }
                0b11 => {
                    let target = usize::from(len & 0x3f) << 8 | usize::from(walk.byte()?);
                    end.get_or_insert(walk.at);
                    if limit <= target {
                        return Err(Problem::Name);
                    }
                    (limit, walk.at) = (target, target);
                }
                _ => return Err(Problem::Name),
            }
        }
        self.at = end.unwrap_or(walk.at);
        Ok(if name.is_empty() { ".".into() } else { name })
    }
}

/// Writes a label and a dot; what could be mistaken is escaped as in zone files.
fn push_label(name: &mut String, label: &[u8]) {
    for byte in label {
        match byte {
            b'.' | b' ' | b'\'' | b'@' | b';' | b'(' | b')' | b'"' | b'\\' => {
                name.push('\\');
                name.push(char::from(*byte));
            }
            b'!'..=b'~' => name.push(char::from(*byte)),
            _ => name.push_str(&format!("\\{byte:03}")),
        }
    }
    name.push('.');
}

#[cfg(test)]
mod tests;
