//! A bad network: a UDP port on loopback that forwards to another one, and loses, delays and reorders as it is told.
//! What happens to the n-th packet of a direction depends on the seed alone.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::random::Random;

/// What one direction does to its packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Fraction that is lost, 0 to 1; at 1 the direction is blocked.
    pub loss: f64,
    /// How long each packet takes.
    pub delay: Duration,
    /// Fraction that takes longer by `held_back`, so that later packets overtake it.
    pub reordered: f64,
    /// See `reordered`.
    pub held_back: Duration,
}

/// What one direction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came in.
    pub received: u64,
    /// Of these, lost on purpose.
    pub dropped: u64,
    /// Of these, held back.
    pub held_back: u64,
}

/// The two directions, seen from the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// A forwarder; it ends when this is dropped.
pub struct UdpForwarder {
    port: u16,
    to_server: Arc<Mutex<Direction>>,
    to_client: Arc<Mutex<Direction>>,
    _tasks: JoinSet<()>,
}

impl UdpForwarder {
    /// Forwards to a port of loopback, with the same conditions both ways.
    pub async fn start(target: u16, conditions: Conditions, seed: u64) -> Self {
        let clients = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let port = clients.local_addr().unwrap().port();
        let to_server = Arc::new(Mutex::new(Direction::new(conditions, seed)));
        let to_client = Arc::new(Mutex::new(Direction::new(conditions, !seed)));
        let (out, packets) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(deliver(packets));
        tasks.spawn(accept(clients, target, out, to_server.clone(), to_client.clone()));
        Self { port, to_server, to_client, _tasks: tasks }
    }

    /// Where clients send to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the conditions of one direction; packets that are under way stay so.
    pub fn set(&self, way: Way, conditions: Conditions) {
        self.direction(way).lock().unwrap().conditions = conditions;
    }

    /// Nothing goes through any more, and nobody is told.
    pub fn block(&self) {
        for way in [Way::ToServer, Way::ToClient] {
            self.set(way, Conditions { loss: 1.0, ..Conditions::default() });
        }
    }

    pub fn counts(&self, way: Way) -> Counts {
        self.direction(way).lock().unwrap().counts
    }

    fn direction(&self, way: Way) -> &Mutex<Direction> {
        match way {
            Way::ToServer => &self.to_server,
            Way::ToClient => &self.to_client,
        }
    }
}

struct Direction {
    conditions: Conditions,
    counts: Counts,
    random: Random,
}

impl Direction {
    fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, counts: Counts::default(), random: Random::new(seed) }
    }

    /// How long the next packet takes; `None` when it is lost.
    fn next(&mut self) -> Option<Duration> {
        // Two numbers for every packet, so that one packet's fate does not change the others'.
        let (lost, held_back) = (self.random.fraction(), self.random.fraction());
        let Conditions { loss, delay, reordered, held_back: longer } = self.conditions;
        self.counts.received += 1;
        if lost < loss {
            self.counts.dropped += 1;
            return None;
        }
        if held_back < reordered {
            self.counts.held_back += 1;
            return Some(delay + longer);
        }
        Some(delay)
    }
}

/// A packet under way.
struct Packet {
    data: Vec<u8>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

type Outgoing = mpsc::UnboundedSender<(Instant, Packet)>;

/// Gives every client a socket of its own towards the server, which tells clients apart by their addresses.
async fn accept(
    clients: Arc<UdpSocket>,
    target: u16,
    out: Outgoing,
    to_server: Arc<Mutex<Direction>>,
    to_client: Arc<Mutex<Direction>>,
) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let mut sockets = HashMap::new();
    let mut answers = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    while let Ok((length, client)) = clients.recv_from(&mut buffer).await {
        let socket = match sockets.get(&client) {
            Some(socket) => Arc::clone(socket),
            None => {
                let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
                sockets.insert(client, socket.clone());
                answers.spawn(forward(socket.clone(), clients.clone(), client, out.clone(), to_client.clone()));
                socket
            }
        };
        pass(&to_server, &out, Packet { data: buffer[..length].to_vec(), socket, to: server });
    }
}

/// Forwards what arrives at a socket.
async fn forward(
    from: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    out: Outgoing,
    way: Arc<Mutex<Direction>>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        // An error is the answer of a port that is closed at the moment.
        let Ok((length, _)) = from.recv_from(&mut buffer).await else { continue };
        pass(&way, &out, Packet { data: buffer[..length].to_vec(), socket: socket.clone(), to });
    }
}

fn pass(way: &Mutex<Direction>, out: &Outgoing, packet: Packet) {
    if let Some(delay) = way.lock().unwrap().next() {
        let _ = out.send((Instant::now() + delay, packet));
    }
}

/// Sends each packet when it is due; those that are due at the same time in the order in which they came.
async fn deliver(mut packets: mpsc::UnboundedReceiver<(Instant, Packet)>) {
    let mut order = BinaryHeap::new();
    let mut waiting = HashMap::new();
    let mut number = 0_u64;
    loop {
        let due = order.peek().map(|Reverse((due, _))| *due);
        tokio::select! {
            packet = packets.recv() => {
                let Some((due, packet)) = packet else { return };
                order.push(Reverse((due, number)));
                waiting.insert(number, packet);
                number += 1;
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                let Some(Reverse((_, number))) = order.pop() else { continue };
                let Some(Packet { data, socket, to }) = waiting.remove(&number) else { continue };
                let _ = socket.send_to(&data, to).await;
            }
        }
    }
}
