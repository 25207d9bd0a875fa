//! Users and their passwords.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use config::Secret;
use http::header::{AUTHORIZATION, HeaderMap};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Answers that are remembered.
const KNOWN_MAX: usize = 100;

/// What the password of a user that does not exist is compared with, so that it takes as long.
const NOBODY: &str = "$2b$10$8fMd3E5nCTGSXsCVfmhfW.SP5kQv5qEHgm8PlwO0Td1u0ZvHm2cbG";

/// Compares passwords with hashes: one at a time, for a comparison takes long on purpose, and each only once.
pub(super) struct Users {
    turn: Semaphore,
    /// Whether user, hash and password fit, by the hash of the three. Held to look one up or add one.
    known: Mutex<HashMap<[u8; 32], bool>>,
}

impl Default for Users {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), known: Mutex::default() }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

impl Users {
    /// True if the request names one of the users, with the right password.
    pub(super) async fn knows(
        &self,
        users: &BTreeMap<String, Secret>,
        headers: &HeaderMap,
    ) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let hash = users.get(&user);
        let compared = hash.map_or(NOBODY, Secret::expose).to_owned();
        let key = key(&[user.as_bytes(), compared.as_bytes(), &password]);
        if let Some(known) = self.known(&key) {
            return known;
        }
        let Ok(_turn) = self.turn.acquire().await else { return false };
        // It may have been compared meanwhile.
        if let Some(known) = self.known(&key) {
            return known;
        }
        let verify = move || bcrypt::verify(&password, &compared).unwrap_or(false);
        let fits = spawn_blocking(verify).await.unwrap_or(false) && hash.is_some();
        self.remember(key, fits);
        fits
    }

    fn known(&self, key: &[u8; 32]) -> Option<bool> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn remember(&self, key: [u8; 32], fits: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if KNOWN_MAX <= known.len()
            && let Some(some) = known.keys().next().copied()
        {
            known.remove(&some);
        }
        known.insert(key, fits);
    }
}

/// User and password of a `Basic` header.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut decoded = BASE64_STANDARD.decode(encoded).ok()?;
    let at = decoded.iter().position(|it| *it == b':')?;
    let password = decoded.split_off(at + 1);
    decoded.pop();
    Some((String::from_utf8(decoded).ok()?, password))
}

/// A hash of the parts, each with its length, so that no two lists share one.
fn key(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    let digest: Digest = context.finish();
    let mut key = [0; 32];
    key.copy_from_slice(digest.as_ref());
    key
}
