//! From a configuration to a connection that is ready for commands.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use redis::Cmd;
use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixSocket, UnixStream};
use tokio::time::timeout_at;

use super::answer::Answer;
use super::{handshake, hooks};
use crate::config::{Address, Config};
use crate::errors::{Error, Kind, Result};
use crate::fork::{self, Listed};
use crate::injection::{self, Point};
use crate::node::Connection;
use crate::tls;
use crate::transport::{Socket, Transport};
use crate::wire::Link;

/// DNS, TCP, TLS and handshake, all within `connect_timeout`; then the application's hook.
pub(crate) async fn connect(config: &Arc<Config>) -> Result<Connection> {
    ask(config, &[]).await.map(|(connection, _)| connection)
}

/// The same, with some questions that are asked, and answered, in the same time.
pub(crate) async fn ask(config: &Arc<Config>, questions: &[Cmd]) -> Result<(Connection, Vec<Answer>)> {
    open(config, Errand { questions, subscription: None }).await
}

/// The same; from then on the connection says what the subscription is about, and nothing else.
pub(crate) async fn ask_and_subscribe(
    config: &Arc<Config>,
    questions: &[Cmd],
    subscription: &Cmd,
) -> Result<(Connection, Vec<Answer>)> {
    open(config, Errand { questions, subscription: Some(subscription) }).await
}

/// What is said on a new connection after the introduction.
#[derive(Clone, Copy)]
struct Errand<'a> {
    questions: &'a [Cmd],
    subscription: Option<&'a Cmd>,
}

async fn open(config: &Arc<Config>, errand: Errand<'_>) -> Result<(Connection, Vec<Answer>)> {
    injection::trip(Point::Connect);
    if let Some(prepare) = &config.prepare {
        hooks::prepare(prepare).await?;
    }
    let deadline = config.connect_timeout.map(|limit| tokio::time::Instant::now() + limit);
    let connecting = establish(config, deadline, errand);
    let made = match deadline {
        Some(deadline) => timeout_at(deadline, connecting)
            .await
            .unwrap_or_else(|_| Err(Error::timeout("connecting timed out: no answer", config.connect_timeout))),
        None => connecting.await,
    };
    let (connection, answers) = made.map_err(|error| error.at(&config.name))?;
    match &config.on_connect {
        Some(hook) => Ok((hooks::on_connect(config, hook, connection).await?, answers)),
        None => Ok((connection, answers)),
    }
}

/// Introduces us and asks the questions.
async fn introduce<S>(
    stream: &mut S,
    config: &Config,
    credentials: &handshake::Credentials,
    errand: Errand<'_>,
) -> Result<(Link<()>, Vec<Answer>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let link = handshake::shake(stream, config, credentials).await?;
    handshake::ask(stream, link, errand.questions, errand.subscription).await
}

async fn establish(
    config: &Arc<Config>,
    deadline: Option<tokio::time::Instant>,
    errand: Errand<'_>,
) -> Result<(Connection, Vec<Answer>)> {
    let credentials = match &config.credentials {
        Some(provider) => hooks::credentials(provider).await?,
        None => handshake::Credentials { username: config.username.clone(), password: config.password.clone() },
    };
    match &config.address {
        Address::Unknown => Err(Error::new(Kind::Connection, "the server's address is not known")),
        Address::Unix { path } => {
            let (listed, mut stream) = dial_unix(path).await.map_err(|error| Error::io("connecting failed", &error))?;
            let (link, answers) = introduce(&mut stream, config, &credentials, errand).await?;
            let stream = stream.into_std().map_err(|error| Error::io("connecting failed", &error))?;
            let connection = finish(config, RawSocket::from(stream), listed, None, link)?;
            Ok((connection, answers))
        }
        Address::Tcp { host, port } => {
            let (listed, mut stream) = dial(config, host, *port, deadline).await?;
            let Some(tls) = &config.tls else {
                let (link, answers) = introduce(&mut stream, config, &credentials, errand).await?;
                let connection = finish(config, into_raw(stream)?, listed, None, link)?;
                return Ok((connection, answers));
            };
            let connector = tokio_rustls::TlsConnector::from(tls.config());
            let mut stream =
                connector.connect(tls.server_name(host)?, stream).await.map_err(|error| tls_failure(&error))?;
            let (link, answers) = introduce(&mut stream, config, &credentials, errand).await?;
            let (stream, session) = stream.into_inner();
            let connection = finish(config, into_raw(stream)?, listed, Some(session), link)?;
            Ok((connection, answers))
        }
    }
}

fn tls_failure(error: &io::Error) -> Error {
    tls::failure(error).unwrap_or_else(|| Error::io("TLS failed", error))
}

fn into_raw(stream: TcpStream) -> Result<RawSocket> {
    stream.into_std().map(RawSocket::from).map_err(|error| Error::io("connecting failed", &error))
}

fn finish(
    config: &Config,
    socket: RawSocket,
    listed: Listed,
    tls: Option<rustls::ClientConnection>,
    link: Link<()>,
) -> Result<Connection> {
    let mut transport = Transport::new(Socket::new(socket, listed), tls);
    transport
        .make_blocking()
        .and_then(|()| transport.set_receive_timeout(config.socket_timeout))
        .map_err(|error| Error::io("connecting failed", &error))?;
    Ok(Connection { transport, link, used: Instant::now() })
}

async fn dial_unix(path: &str) -> io::Result<(Listed, UnixStream)> {
    let (listed, socket) = fork::listed(UnixSocket::new_stream).await?;
    Ok((listed, socket.connect(path).await?))
}

async fn dial(
    config: &Config,
    host: &str,
    port: u16,
    deadline: Option<tokio::time::Instant>,
) -> Result<(Listed, TcpStream)> {
    let found =
        tokio::net::lookup_host((host, port)).await.map_err(|error| Error::io("name resolution failed", &error))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let mut last = Error::new(Kind::Connection, "name resolution failed: no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(1);
        let dialling = async {
            let open = || RawSocket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP));
            let (listed, socket) = fork::listed(open).await?;
            prepare(&socket, config)?;
            let stream = TcpSocket::from_std_stream(socket.into()).connect(*address).await?;
            Ok::<_, io::Error>((listed, stream))
        };
        // One silent address must not use up the time of those after it.
        let share = deadline.map(|deadline| deadline.saturating_duration_since(tokio::time::Instant::now()) / left);
        let dialled = match share {
            Some(share) => tokio::time::timeout(share, dialling).await,
            None => Ok(dialling.await),
        };
        match dialled {
            Ok(Ok(dialled)) => return Ok(dialled),
            Ok(Err(error)) => last = Error::io("connecting failed", &error),
            Err(_) => last = Error::timeout("connecting timed out: no answer", config.connect_timeout),
        }
    }
    Err(last)
}

fn prepare(socket: &RawSocket, config: &Config) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(options) = &config.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new())?;
        for (option, value) in options {
            set_tcp_option(socket, *option, *value)?;
        }
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(limit) = config.tcp_user_timeout {
        socket.set_tcp_user_timeout(Some(limit))?;
    }
    Ok(())
}

/// `socket_keepalive_options` names options by number, as Python's `socket` does.
fn set_tcp_option(socket: &RawSocket, option: i32, value: i32) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    // SAFETY: `value` lives through the call and `size` is its size.
    let status =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), size) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
