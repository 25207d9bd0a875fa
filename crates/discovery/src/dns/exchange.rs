//! One question to one server: over UDP, and over TCP if the answer was too long.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{Answer, Code, Kind, Problem, Question, UDP_BYTES_MAX};
use crate::discoverer::Failure;

/// How long a server may take for one exchange.
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq)]
enum Transport {
    Udp,
    Tcp,
}

/// Asks a server about a name. One that does not know EDNS is asked again without.
pub(super) async fn ask(server: SocketAddr, name: &str, kind: Kind) -> Result<Answer, Failure> {
    let answer = ask_in_full(server, name, kind, true).await?;
    if answer.code == Code::FormatError {
        return ask_in_full(server, name, kind, false).await;
    }
    Ok(answer)
}

async fn ask_in_full(
    server: SocketAddr,
    name: &str,
    kind: Kind,
    edns: bool,
) -> Result<Answer, Failure> {
    let id = random_id();
    let question = Question::new(id, name, kind).map_err(|it| Failure(it.to_string()))?;
    let answer = exchange(server, &question, edns, Transport::Udp).await?;
    if !answer.is_truncated {
        return Ok(answer);
    }
    let answer = exchange(server, &question, edns, Transport::Tcp).await?;
    if answer.is_truncated {
        return Err(Failure("the answer is truncated although it came over TCP".into()));
    }
    Ok(answer)
}

async fn exchange(
    server: SocketAddr,
    question: &Question,
    edns: bool,
    transport: Transport,
) -> Result<Answer, Failure> {
    let message = question.encode(edns);
    let exchange = async {
        match transport {
            Transport::Udp => over_udp(server, question, &message).await,
            Transport::Tcp => over_tcp(server, question, &message).await,
        }
    };
    match timeout(EXCHANGE_TIME_MAX, exchange).await {
        Ok(answer) => answer.map_err(|why| Failure(why.to_string())),
        Err(_) => Err(Failure("i/o timeout".into())),
    }
}

/// Waits for the answer to this question; whatever else arrives may be forged.
async fn over_udp(server: SocketAddr, question: &Question, message: &[u8]) -> io::Result<Answer> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    // A socket of its own for each question: a port that nobody can guess.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    // Some send more than they were told to.
    let mut answer = vec![0; usize::from(UDP_BYTES_MAX) * 4];
    loop {
        let len = socket.recv(&mut answer).await?;
        match question.decode(&answer[..len]) {
            Err(Problem::Foreign) => {}
            other => return other.map_err(io::Error::other),
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Question, message: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat()).await?;
    let len = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(len)];
    stream.read_exact(&mut answer).await?;
    question.decode(&answer).map_err(io::Error::other)
}

/// A number that whoever wants to forge an answer has to guess.
fn random_id() -> u16 {
    let [a, b, ..] = RandomState::new().hash_one(()).to_le_bytes();
    u16::from_le_bytes([a, b])
}
