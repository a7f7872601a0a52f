//! The first commands on a new connection: protocol, credentials, database, names.

use redis::{Cmd, cmd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answer::Answer;
use crate::config::Config;
use crate::errors::{Error, Kind, Result};
use crate::tls;
use crate::wire::{Element, Elements, Link, Payload, Received};

pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

/// What it means if the server refuses a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Fatal,
    /// The step announced a password or user.
    Authentication,
    /// Servers before Redis 7.2 do not know the command, and users may lack the right.
    Ignored,
}

fn steps(config: &Config, credentials: &Credentials) -> Vec<(Cmd, Refusal)> {
    let mut steps = Vec::new();
    // What is empty is not given, as settings that come from the environment have it.
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (username, password) = (given(&credentials.username), given(&credentials.password));
    let user = username.as_deref();
    let secret = password.as_deref().unwrap_or_default();
    let authenticate = username.is_some() || password.is_some();
    if config.protocol == Some(3) {
        let mut hello = cmd("HELLO");
        hello.arg(3);
        if authenticate {
            hello.arg("AUTH").arg(user.unwrap_or("default")).arg(secret);
        }
        steps.push((hello, if authenticate { Refusal::Authentication } else { Refusal::Fatal }));
    } else if authenticate {
        let mut auth = cmd("AUTH");
        auth.arg(user.as_slice()).arg(secret);
        steps.push((auth, Refusal::Authentication));
    }
    if config.db != 0 {
        let mut select = cmd("SELECT");
        select.arg(config.db);
        steps.push((select, Refusal::Fatal));
    }
    let mut client = |words: &[&str], value: &Option<String>, refusal| {
        if let Some(value) = value {
            let mut step = cmd("CLIENT");
            step.arg(words).arg(value);
            steps.push((step, refusal));
        }
    };
    client(&["SETNAME"], &config.client_name, Refusal::Fatal);
    client(&["SETINFO", "LIB-NAME"], &config.lib_name, Refusal::Ignored);
    client(&["SETINFO", "LIB-VER"], &config.lib_version, Refusal::Ignored);
    if config.read_only {
        steps.push((cmd("READONLY"), Refusal::Fatal));
    }
    if steps.iter().all(|(_, refusal)| *refusal == Refusal::Ignored) {
        // Only an answer shows that the server is there: a frozen one's kernel accepts connections too, and what it does
        // not know it refuses even when it is paused.
        steps.push((cmd("PING"), Refusal::Ignored));
    }
    steps
}

/// Introduces us: all steps in one write, and every reply is awaited, so that none can be taken for another's.
pub(super) async fn shake<S>(stream: &mut S, config: &Config, credentials: &Credentials) -> Result<Link<()>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut link: Link<Refusal> = Link::default();
    let mut bytes = Vec::new();
    for (step, refusal) in steps(config, credentials) {
        let packed = step.get_packed_command();
        bytes.extend_from_slice(&packed);
        link.push(&Payload::default(), 1, refusal);
    }
    // A server that refused our TLS certificate may have said so and hung up: what it said is still to be read.
    let written = match stream.write_all(&bytes).await {
        Ok(()) => stream.flush().await,
        failed => failed,
    };
    let mut failure = None;
    loop {
        while let Some(received) = link.receive().map_err(Error::protocol)? {
            if let Received::Last(refusal, frame) = received
                && let Some(Element::Error(text)) = Elements::of(frame).next()
            {
                failure = failure.or(meaning(refusal, text));
            }
        }
        if link.in_flight() == 0 {
            break;
        }
        // Before it hung up, the server may have said why.
        match stream.read(link.spare()).await {
            Ok(0) => {
                let closed = || written.err().map_or_else(Error::closed, |error| lost(&error));
                return Err(failure.unwrap_or_else(closed));
            }
            Ok(n) => link.filled(n),
            Err(error) => return Err(failure.unwrap_or_else(|| lost(&error))),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => link.handover().ok_or_else(|| Error::protocol(crate::wire::ProtocolError::Unexpected)),
    }
}

/// Asks questions on a new connection; returns the answers. A subscription goes with them in one write, so that nothing
/// happens between the answers and what it tells.
pub(super) async fn ask<S>(
    stream: &mut S,
    link: Link<()>,
    questions: &[Cmd],
    subscription: Option<&Cmd>,
) -> Result<(Link<()>, Vec<Answer>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let unexpected = || Error::protocol(crate::wire::ProtocolError::Unexpected);
    if questions.is_empty() {
        return Ok((link, Vec::new()));
    }
    let mut link: Link<()> = link.handover().ok_or_else(unexpected)?;
    let mut bytes = Vec::new();
    for question in questions {
        bytes.extend_from_slice(&question.get_packed_command());
        link.push(&Payload::default(), 1, ());
    }
    if let Some(subscription) = subscription {
        bytes.extend_from_slice(&subscription.get_packed_command());
        link.subscribe(&Payload::default(), ());
    }
    stream.write_all(&bytes).await.map_err(|error| lost(&error))?;
    stream.flush().await.map_err(|error| lost(&error))?;
    let mut answers = Vec::new();
    loop {
        // What is large elsewhere is not here: nothing announces a large bulk string.
        while answers.len() < questions.len()
            && let Some(received) = link.receive().map_err(Error::protocol)?
        {
            if let Received::Last((), frame) = received {
                answers.push(Answer::of(frame));
            }
        }
        if answers.len() == questions.len() {
            let link = if subscription.is_some() { Some(link) } else { link.handover() };
            return Ok((link.ok_or_else(unexpected)?, answers));
        }
        match stream.read(link.spare()).await {
            Ok(0) => return Err(Error::closed()),
            Ok(n) => link.filled(n),
            Err(error) => return Err(lost(&error)),
        }
    }
}

fn meaning(refusal: Refusal, text: &[u8]) -> Option<Error> {
    let mut error = Error::reply(text);
    // They come instead of a welcome, and the connection is closed.
    let turned_away = text.starts_with(b"DENIED ") || text.starts_with(b"ERR max number of clients");
    if turned_away {
        error.kind = Kind::Connection;
    }
    match refusal {
        _ if turned_away || error.kind == Kind::Authentication => Some(error),
        Refusal::Fatal => Some(error),
        Refusal::Authentication if error.kind == Kind::BusyLoading => Some(error),
        Refusal::Authentication => Some(error.into_authentication()),
        Refusal::Ignored => None,
    }
}

/// With TLS 1.3 a server refuses a client certificate only when the handshake seems done: then it shows here.
fn lost(error: &std::io::Error) -> Error {
    tls::failure(error).unwrap_or_else(|| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            Error::closed()
        } else {
            Error::io("connection lost", error)
        }
    })
}
