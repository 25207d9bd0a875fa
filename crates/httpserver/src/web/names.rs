//! The names in a certificate (RFC 5280): DNS names, addresses, e-mail addresses, URIs.

use std::net::IpAddr;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
/// The field of a certificate's body that holds the extensions.
const EXTENSIONS: u8 = 0xa3;

/// The object id 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The subject's alternative names as text; none if the certificate is broken.
pub(super) fn alternative_names(der: &[u8]) -> Vec<String> {
    let names = || {
        let (certificate, _) = expect(der, SEQUENCE)?;
        let (body, _) = expect(certificate, SEQUENCE)?;
        let extensions = Values(body).find(|it| it.0 == EXTENSIONS)?.1;
        let (extensions, _) = expect(extensions, SEQUENCE)?;
        let names = Values(extensions).find_map(|it| names_of(it.1))?;
        let (names, _) = expect(names, SEQUENCE)?;
        Some(Values(names).filter_map(|(tag, bytes)| text(tag, bytes)).collect())
    };
    names().unwrap_or_default()
}

/// The inside of an extension, if it is the one with names.
fn names_of(extension: &[u8]) -> Option<&[u8]> {
    let (id, rest) = expect(extension, OBJECT_ID)?;
    // Between the two may stand whether the extension is critical.
    (id == SUBJECT_ALT_NAME)
        .then(|| Values(rest).find(|it| it.0 == OCTET_STRING))
        .flatten()
        .map(|it| it.1)
}

fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        // E-mail address, DNS name, URI.
        0x81 | 0x82 | 0x86 => String::from_utf8(bytes.to_vec()).ok(),
        0x87 => match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes).ok().map(|it| IpAddr::from(it).to_string()),
            16 => <[u8; 16]>::try_from(bytes).ok().map(|it| IpAddr::from(it).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The values that stand one behind the other, with their tags.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, value, rest) = take(self.0)?;
        self.0 = rest;
        Some((tag, value))
    }
}

/// The value at the start if it has this tag, and what is behind it.
fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    take(der).filter(|it| it.0 == tag).map(|(_, value, rest)| (value, rest))
}

/// Tag and value at the start, and what is behind.
fn take(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(len)?;
    Some((*tag, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_names() {
        let names = ["a.test", "10.0.0.1", "fd00::1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names).expect("good names");
        let mail = "m@a.test".try_into().expect("ASCII");
        params.subject_alt_names.push(rcgen::SanType::Rfc822Name(mail));
        let uri = "spiffe://a".try_into().expect("ASCII");
        params.subject_alt_names.push(rcgen::SanType::URI(uri));
        let key = rcgen::KeyPair::generate().expect("a key");
        let cert = params.self_signed(&key).expect("a certificate");
        let found = alternative_names(cert.der());
        assert_eq!(found, ["a.test", "10.0.0.1", "fd00::1", "m@a.test", "spiffe://a"]);
        for len in 0..cert.der().len() {
            assert!(alternative_names(&cert.der()[..len]).is_empty());
        }
    }
}
