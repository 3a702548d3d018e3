//! The report listener: accepts connections, gives each its own task, and waits for them at the end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, End, Peer};
use super::{Intake, NodeCounters, Routes};
use crate::admit::{Admission, ClientNames, Gate, Seat};
use crate::https::Https;

/// Connections the kernel holds for the node to accept.
const BACKLOG: i32 = 4_096;
/// After an error of accepting, most often "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a TCP listener. Port 0 lets the system choose; an IPv6 wildcard takes IPv4 too.
///
/// # Errors
/// What the system says, most often that the address is in use.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds a TCP listener at each address. Of several, one of a kind that the machine does not have is left out, as `::1`
/// is where there is no IPv6.
///
/// # Errors
/// The address that can't be listened on, and what the system says of it; or the last one, if there would be none.
pub fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let (mut bound, mut left_out) = (Vec::new(), None);
    for address in addresses {
        match bind(*address) {
            Ok(listener) => bound.push(listener),
            Err(error) if is_unknown_here(&error) => {
                tracing::info!(%address, %error, "the machine does not have this address; it is left out");
                left_out = Some((*address, error));
            }
            Err(error) => return Err((*address, error)),
        }
    }
    match left_out {
        Some(none) if bound.is_empty() => Err(none),
        _ => Ok(bound),
    }
}

/// Whether the machine has no such address, or none of its kind.
fn is_unknown_here(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

/// The report listener.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    gate: Arc<Gate>,
    counters: Arc<NodeCounters>,
    closing: CancellationToken,
    routes: Routes,
    node_ip: Option<IpAddr>,
    connections: TaskTracker,
    https: Option<Arc<Https>>,
}

impl Listener {
    /// A listener on a bound socket.
    #[must_use]
    pub fn new(socket: TcpListener, gate: Arc<Gate>, intake: Intake, connections: TaskTracker) -> Self {
        Self {
            socket,
            gate,
            counters: Arc::clone(&intake.counters),
            closing: intake.lifecycle.closing().clone(),
            node_ip: intake.node_ip,
            routes: Routes::new(intake),
            connections,
            https: None,
        }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(self, https: Arc<Https>) -> Self {
        Self { https: Some(https), ..self }
    }

    /// Accepts connections until the node closes. Their tasks are on the tracker.
    pub async fn run(self) {
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = self.closing.cancelled() => return,
            };
            match accepted {
                Ok((socket, client)) => self.take(socket, client),
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn take(&self, socket: TcpStream, client: SocketAddr) {
        let client = client.ip().to_canonical();
        let (seat, over_limit) = match self.gate.enter(client) {
            Admission::Serve(seat) => (seat, false),
            Admission::Refuse(seat) => {
                self.counters.connections_refused.add(1);
                (seat, true)
            }
            Admission::Close => {
                self.counters.connections_closed.add(1);
                return;
            }
        };
        let Ok(node) = socket.local_addr() else { return };
        // Without it answers wait for the client's delayed acknowledgements; failing to set it is no more.
        let _ = socket.set_nodelay(true);
        let node_ip = self.node_ip.unwrap_or_else(|| node.ip().to_canonical());
        let (address, names) = (client, ClientNames::None);
        let peer = Peer { address, client: client.to_string(), names, node: node_ip.to_string(), over_limit };
        self.connections.spawn(self.serve(socket, peer, seat));
    }

    fn serve(&self, socket: TcpStream, peer: Peer, seat: Seat) -> impl Future<Output = ()> + use<> {
        let (routes, closing, counters) =
            (self.routes.clone(), self.closing.clone(), Arc::clone(&self.counters));
        let https = self.https.clone();
        async move {
            let end = match https {
                None => connection::serve(socket, peer, routes, &closing).await,
                Some(https) => serve_tls(&https, socket, peer, routes, &closing).await,
            };
            if end == End::TimedOut {
                counters.connections_timed_out.add(1);
            }
            drop(seat);
        }
    }
}

/// Serves a connection once TLS is spoken on it. A handshake is of no use to anyone once the node closes.
async fn serve_tls(
    https: &Https,
    socket: TcpStream,
    peer: Peer,
    routes: Routes,
    closing: &CancellationToken,
) -> End {
    let secured = tokio::select! {
        secured = https.handshake(socket) => secured,
        () = closing.cancelled() => None,
    };
    let Some((socket, names)) = secured else { return End::Over };
    connection::serve(socket, Peer { names, ..peer }, routes, closing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_that_the_machine_does_not_have_is_left_out_beside_one_that_it_has() {
        // 192.0.2.1 is for documentation, so no machine has it.
        let bound = bind_all(&[at("127.0.0.1:0"), at("192.0.2.1:0")]).unwrap();
        let addresses: Vec<_> = bound.iter().map(|socket| socket.local_addr().unwrap().ip()).collect();
        assert_eq!(addresses, [at("127.0.0.1:0").ip()]);
    }

    #[tokio::test]
    async fn without_any_address_that_the_machine_has_there_is_nothing_to_listen_on() {
        let (address, _) = bind_all(&[at("192.0.2.1:0")]).unwrap_err();
        assert_eq!(address, at("192.0.2.1:0"));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told_however_many_others_there_are() {
        let taken = bind(at("127.0.0.1:0")).unwrap();
        let address = taken.local_addr().unwrap();
        let (told, error) = bind_all(&[at("127.0.0.1:0"), address]).unwrap_err();
        assert_eq!((told, error.kind()), (address, io::ErrorKind::AddrInUse));
    }
}
