//! The known bytes of a small index, and broken ones.

use std::path::Path;

use proptest::prelude::*;
use stdx::SystemDirectory;

use super::*;

const T: i64 = 1_700_000_000_000;

const KNOWN: &str = "baaad700 02
    00000014 00000005  00  08 5f5f6e616d655f5f  01 61  01 6d  01 78   6cc8efea
    000000000000000000000000000000
    10  02 0103 0204  01 80a0abfef962 b0ea01 08   23a67f01
    000000
    00000008 00000001 00000003 a7692ed2
    00000008 00000001 00000003 a7692ed2
    00000008 00000001 00000003 a7692ed2
    0000001b 00000003  02 00 00 48  02 08 5f5f6e616d655f5f 01 6d 58  02 01 61 01 78 68   41d913e1
    0000000000000005 0000000000000021 0000000000000045 0000000000000078 0000000000000045 0000000000000078
    00f6309a";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
        .collect()
}

fn symbols(each: &mut dyn FnMut(&[u8])) {
    ["", "__name__", "a", "m", "x"].iter().for_each(|it| each(it.as_bytes()));
}

fn chunk(mint: i64, maxt: i64, reference: u64) -> ChunkMeta {
    ChunkMeta { mint, maxt, reference }
}

fn open(bytes: &[u8]) -> Result<Index, Error> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(INDEX_FILE), bytes).unwrap();
    Index::open(&SystemDirectory::new(folder.path()), Path::new(""))
}

#[test]
fn writes_and_reads_the_known_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let mut writer = IndexWriter::create(&dir, Path::new(""), &symbols).unwrap();
    writer.add_series(&[(1, 3), (2, 4)], &[chunk(T, T + 30_000, 8)]).unwrap();
    writer.finish().unwrap();
    assert_eq!(std::fs::read(folder.path().join(INDEX_FILE)).unwrap(), hex(KNOWN));

    let index = Index::open(&dir, Path::new("")).unwrap();
    let mut entry = SeriesEntry::default();
    index.read_series(3, &mut entry).unwrap();
    assert_eq!(index.labels(&entry).unwrap().to_string(), r#"{__name__="m", a="x"}"#);
    assert_eq!(entry.chunks, [chunk(T, T + 30_000, 8)]);
    let series = |name, value| index.postings(name, value).unwrap().iter().collect::<Vec<_>>();
    assert_eq!((series("a", "x"), series("a", "y"), series("b", "x")), (vec![3], vec![], vec![]));
    assert_eq!(index.all_postings().unwrap().len(), 1);
    assert!(index.label_names().eq(["__name__", "a"]));
    assert_eq!((index.find_symbol("m"), index.find_symbol("n")), (Some(3), None));
    let broken = index.read_series(4, &mut entry).unwrap_err();
    assert!(broken.to_string().ends_with("index at 64: invalid size"), "{broken}");
}

#[test]
fn refuses_what_does_not_ascend() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let mut writer = IndexWriter::create(&dir, Path::new(""), &symbols).unwrap();
    writer.add_series(&[(1, 3), (2, 4)], &[chunk(0, 1, 8)]).unwrap();
    let mut refused = |labels: &[(u32, u32)], chunks: &[ChunkMeta]| {
        writer.add_series(labels, chunks).unwrap_err().to_string()
    };
    assert!(
        refused(&[(1, 3), (2, 4)], &[]).starts_with("out-of-order series added with label set")
    );
    assert!(refused(&[(1, 3)], &[]).starts_with("out-of-order series added with label set"));
    assert_eq!(refused(&[(2, 4)], &[chunk(0, 1, 7)]), "unsorted chunk reference: 7, previous: 8");
    assert_eq!(
        refused(&[(2, 4)], &[chunk(0, 1, 8), chunk(1, 2, 9)]),
        "chunk minT 1 is not higher than previous chunk maxT 1"
    );
    assert!(refused(&[(2, 9)], &[]).starts_with("labels are no symbols"));
    let unsorted =
        |each: &mut dyn FnMut(&[u8])| ["b", "a"].iter().for_each(|it| each(it.as_bytes()));
    let error = IndexWriter::create(&dir, Path::new(""), &unsorted).err().unwrap();
    assert_eq!(error.to_string(), "symbol \"a\" out-of-order");
}

/// A file of version 1: symbols and series named by their offsets, an unsorted table, sections of label
/// indices (here empty) that are skipped.
fn version_1() -> Vec<u8> {
    fn put_section(out: &mut Vec<u8>, content: &[u8]) {
        out.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(&crc32c::crc32c(content).to_be_bytes());
    }
    let mut out = hex("baaad700 01");
    put_section(&mut out, &hex("00000004 08 5f5f6e616d655f5f 01 61 01 6d 01 78"));
    let (name, a, m, x) = (13, 22, 24, 26);
    let series = out.len();
    let mut numbers = Vec::new();
    for labels in [&[(name, m)][..], &[(name, m), (a, x)]] {
        numbers.push(u32::try_from(out.len()).unwrap());
        let mut body = Vec::new();
        super::series::encode_body(&mut body, labels, &[chunk(T, T + 30_000, 8)]);
        out.push(u8::try_from(body.len()).unwrap());
        out.extend_from_slice(&body);
        out.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    }
    let label_indices = out.len();
    let mut table = 3u32.to_be_bytes().to_vec();
    let pairs: [(&str, &str, &[u32]); 3] =
        [("a", "x", &numbers[1..]), ("__name__", "m", &numbers), ("", "", &numbers)];
    let postings = out.len();
    for (name, value, list) in pairs {
        table.push(2);
        for text in [name, value] {
            table.push(u8::try_from(text.len()).unwrap());
            table.extend_from_slice(text.as_bytes());
        }
        stdx::varint::put_u64(&mut table, out.len() as u64);
        let mut content = u32::try_from(list.len()).unwrap().to_be_bytes().to_vec();
        content.extend(list.iter().flat_map(|it| it.to_be_bytes()));
        put_section(&mut out, &content);
    }
    let postings_table = out.len();
    put_section(&mut out, &table);
    let [symbols, series, label_indices, postings, postings_table] =
        [5, series, label_indices, postings, postings_table].map(|it| it as u64);
    let label_indices_table = postings_table;
    let toc = Toc { symbols, series, label_indices, label_indices_table, postings, postings_table };
    out.extend_from_slice(&toc.encode());
    out
}

#[test]
fn reads_version_1() {
    let index = open(&version_1()).unwrap();
    let mut entry = SeriesEntry::default();
    let numbers: Vec<u32> = index.all_postings().unwrap().iter().collect();
    let labels: Vec<String> = numbers
        .iter()
        .map(|it| {
            index.read_series(*it, &mut entry).unwrap();
            index.labels(&entry).unwrap().to_string()
        })
        .collect();
    assert_eq!(labels, [r#"{__name__="m"}"#, r#"{__name__="m", a="x"}"#]);
    assert_eq!(entry.chunks, [chunk(T, T + 30_000, 8)]);
    assert!(index.postings("a", "x").unwrap().iter().eq([numbers[1]]));
    assert!(index.label_names().eq(["__name__", "a"]) && index.values("a", "").eq(["x"]));
    let symbols: Vec<_> = index.symbols().map(|it| it.0).collect();
    assert_eq!((symbols, index.find_symbol("x")), (vec![13, 22, 24, 26], Some(26)));
}

#[test]
fn names_what_is_wrong() {
    for (at, byte, reason) in [
        (0, 0, "invalid magic number aad700"),
        (4, 9, "unknown index file version 9"),
        (0x0e, b'b', "at 5: invalid checksum"),
        (0x90, 0, "at 120: invalid checksum"),
        (0xb0, 1, "at 155: read TOC: invalid checksum"),
    ] {
        let mut bytes = hex(KNOWN);
        bytes[at] = byte;
        let error = open(&bytes).err().unwrap().to_string();
        assert!(error.ends_with(reason), "{at}: {error}");
    }
    assert!(open(&[]).is_err() && open(&hex("baaad700 02")).is_err());
}

proptest! {
    #[test]
    fn survives_any_change(at in 0usize..207, byte: u8, cut in 0usize..300) {
        let mut bytes = hex(KNOWN);
        bytes[at] = byte;
        bytes.truncate(cut.max(100));
        if let Ok(index) = open(&bytes) {
            let mut entry = SeriesEntry::default();
            for number in 0..20 {
                if index.read_series(number, &mut entry).is_ok() {
                    let _ = index.labels(&entry);
                }
            }
            let _ = (index.postings("a", "x").is_ok(), index.all_postings().is_ok());
        }
    }
}
