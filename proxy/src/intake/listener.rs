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
