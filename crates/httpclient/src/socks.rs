//! The client's side of SOCKS 5 (RFC 1928), with user and password (RFC 1929).

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::io_text;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;

/// Asks the proxy behind `stream` to connect through to `host`; names are looked up there.
///
/// # Errors
/// What went wrong, in Go's words.
pub(crate) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + ?Sized),
    host: &str,
    port: u16,
    user: Option<&(String, String)>,
) -> Result<(), String> {
    let greeting: &[u8] = match user {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    send(stream, greeting).await?;
    match (receive(stream).await?, user) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, USER_AND_PASSWORD], Some(user)) => authenticate(stream, user).await?,
        ([VERSION, _], _) => return Err("no acceptable authentication methods".into()),
        ([version, _], _) => return Err(format!("unexpected protocol version {version}")),
    }
    send(stream, &request(host, port)?).await?;
    let [version, reply, _, kind] = receive(stream).await?;
    if version != VERSION {
        return Err(format!("unexpected protocol version {version}"));
    }
    if reply != 0 {
        return Err(format!("unknown error {}", reply_text(reply)));
    }
    skip_address(stream, kind).await
}

async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + ?Sized),
    (name, password): &(String, String),
) -> Result<(), String> {
    let mut message = vec![1];
    for text in [name, password] {
        let len = u8::try_from(text.len()).map_err(|_| "invalid username/password")?;
        message.push(len);
        message.extend_from_slice(text.as_bytes());
    }
    send(stream, &message).await?;
    match receive(stream).await? {
        [1, 0] => Ok(()),
        [1, _] => Err("username/password authentication failed".into()),
        _ => Err("invalid username/password version".into()),
    }
}

/// `CONNECT` to an address or a name.
fn request(host: &str, port: u16) -> Result<Vec<u8>, String> {
    let mut message = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let len = u8::try_from(host.len()).map_err(|_| "FQDN too long")?;
            message.extend_from_slice(&[3, len]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

/// Reads the address that the proxy connected from, which nobody needs.
async fn skip_address(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    kind: u8,
) -> Result<(), String> {
    let len = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(receive::<1>(stream).await?[0]),
        _ => return Err(format!("unknown address type {kind}")),
    };
    // The port follows.
    for _ in 0..len + 2 {
        receive::<1>(stream).await?;
    }
    Ok(())
}

fn reply_text(reply: u8) -> String {
    let text = match reply {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => return format!("unknown code: {reply}"),
    };
    text.to_owned()
}

async fn send(stream: &mut (impl AsyncWrite + Unpin + ?Sized), bytes: &[u8]) -> Result<(), String> {
    stream.write_all(bytes).await.map_err(|error| io_text(&error))?;
    stream.flush().await.map_err(|error| io_text(&error))
}

async fn receive<const N: usize>(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(|error| io_text(&error))?;
    Ok(bytes)
}
