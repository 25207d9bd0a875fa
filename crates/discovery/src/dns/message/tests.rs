//! Messages byte by byte, and bytes that are none.

use proptest::prelude::*;

use super::*;

fn question(name: &str, kind: Kind) -> Question {
    Question::new(0x1234, name, kind).expect("a good name")
}

/// An answer with these flags and records (name, type, class, time to live, length and data, in hexadecimal).
fn answer(question: &Question, flags: u16, records: &[&str]) -> Vec<u8> {
    let mut message = question.encode(false);
    message[2..4].copy_from_slice(&(IS_ANSWER | flags).to_be_bytes());
    message[7] = u8::try_from(records.len()).expect("few");
    for record in records {
        let digits: Vec<u8> = record.bytes().filter(|it| *it != b' ').collect();
        let byte = |it: &[u8]| std::str::from_utf8(it).map(|it| u8::from_str_radix(it, 16));
        message.extend(digits.chunks(2).map(|it| byte(it).expect("text").expect("a number")));
    }
    message
}

fn check(question: &Question, flags: u16, records: &[&str], expected: &str) {
    let message = answer(question, flags, records);
    let found = match question.decode(&message) {
        Ok(it) => format!("{:?} {} {:?}", it.code, it.is_truncated, it.records),
        Err(why) => why.to_string(),
    };
    assert_eq!(found, expected);
    for len in 0..message.len() {
        assert!(question.decode(&message[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn writes_questions() {
    let asked = question("_http._tcp.Example.org", Kind::Srv).encode(true);
    let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let name = b"\x05_http\x04_tcp\x07Example\x03org\x00";
    let end = [0, 33, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
    assert_eq!(asked, [&header[..], name, &end].concat());
    assert_eq!(question("a.", Kind::A).encode(false), question("a", Kind::A).encode(false));
    assert_eq!(question(".", Kind::Ns).encode(false)[12..], [0, 0, 2, 0, 1]);
    for bad in ["a..b", ".a", &"a".repeat(64), &"abc.".repeat(64)] {
        assert_eq!(Question::new(1, bad, Kind::A), Err(Problem::Name), "{bad}");
    }
    assert!(Question::new(1, &"abc.".repeat(63), Kind::A).is_ok());
}

#[test]
fn reads_records() {
    let a = question("a.b", Kind::A);
    check(&a, 0, &["c00c 0001 0001 00000000 0004 7f000001"], "Success false [A(127.0.0.1)]");
    check(
        &a,
        0,
        &["c00c 0005 0001 00000000 0002 c00c", "0161 00 0001 0003 00000000 0004 7f000001"],
        "Success false [Alias]",
    );
    check(
        &question("a.b", Kind::Aaaa),
        0,
        &[
            "c00c 001c 0001 00000000 0010 00000000000000000000000000000001",
            "c00c 0010 0001 00000000 0001 00",
        ],
        "Success false [Aaaa(::1), Other(16)]",
    );
    check(
        &question("a.b", Kind::Srv),
        0,
        &["c00c 0021 0001 00000000 000b 0001 0002 2382 02 78 2e c0 0c"],
        r#"Success false [Srv("x\\..a.b.", 9090)]"#,
    );
    check(
        &question("a.b", Kind::Mx),
        0,
        &["c00c 000f 0001 00000000 0005 000a 01 07 00"],
        r#"Success false [Mx("\\007.")]"#,
    );
    check(
        &question("a.b", Kind::Ns),
        0,
        &["00 0002 0001 00000000 0001 00"],
        r#"Success false [Ns(".")]"#,
    );
    check(&a, 3, &[], "NoSuchName false []");
    check(&a, 2, &[], "Other(2) false []");
}

#[test]
fn refuses_what_is_no_answer() {
    let a = question("a.b", Kind::A);
    assert_eq!(a.decode(&a.encode(false)), Err(Problem::Foreign), "a question");
    let other = Question::new(0x1235, "a.b", Kind::A).expect("a good name");
    assert_eq!(a.decode(&answer(&other, 0, &[])), Err(Problem::Foreign));
    assert_eq!(a.decode(&answer(&question("a.c", Kind::A), 0, &[])), Err(Problem::Foreign));
    assert_eq!(a.decode(&answer(&question("a.b", Kind::Mx), 0, &[])), Err(Problem::Foreign));
    assert!(a.decode(&answer(&question("A.B", Kind::A), 0, &[])).is_ok());
    let truncated = answer(&a, IS_TRUNCATED, &["00", "00"]);
    let expected = Answer { code: Code::Success, is_truncated: true, records: Vec::new() };
    assert_eq!(a.decode(&truncated), Ok(expected));
}

#[test]
fn ends_with_names_that_do_not() {
    let ns = question("a.b", Kind::Ns);
    let name = |data: &str| {
        let len = data.len() / 2;
        let record = format!("00 0002 0001 00000000 {len:04x} {data}");
        ns.decode(&answer(&ns, 0, &[&record]))
    };
    // The record's data begins at 32: a pointer to itself, forwards, one into the reserved range.
    assert_eq!(name("c020"), Err(Problem::Name));
    assert_eq!(name("c0ff"), Err(Problem::Name));
    assert_eq!(name("4000"), Err(Problem::Name));
    assert_eq!(name("0161c020"), Err(Problem::Name));
    // Longer than its data.
    assert_eq!(name("0361"), Err(Problem::Short));
    let long = format!("{}00", format!("3f{}", "61".repeat(63)).repeat(4));
    assert_eq!(name(&long), Err(Problem::Name));
}

proptest! {
    /// Whatever a server sends is read or refused: a good answer with some bytes changed, cut somewhere.
    #[test]
    fn reads_anything(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
    ) {
        let asked = question("_web._tcp.a.b", Kind::Srv);
        let srv = "c00c 0021 0001 00000000 000b 0001 0002 2382 02 78 79 c0 16";
        let mut message = answer(&asked, 0, &[srv, "c00c 0002 0001 00000000 0002 c02a", srv]);
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let len = end.index(message.len() + 1);
        if let Ok(answer) = asked.decode(&message[..len]) {
            prop_assert!(answer.records.len() <= message.len() / 11);
        }
    }
}
