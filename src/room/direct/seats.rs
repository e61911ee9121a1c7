//! Who is in which room: at most one flow and one subject each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::message::{ClientMessage, ServerMessage};
use crate::lock::lock;

/// How long a subject's connection may take to show that it lives when another one wants its seat.
const PROBE_LIMIT: Duration = Duration::from_millis(1500);
/// Rooms with anybody in them. Anybody can open one by waiting in it.
const MAX_ROOMS: usize = 1000;
/// Messages that may wait for a page; more are not read by anybody.
const MAILBOX: usize = 64;

/// What a flow hears of its subject.
#[derive(Debug)]
pub(super) enum FromSubject {
    Joined(Subject),
    Message(u64, ClientMessage),
    Left(u64),
}

/// What a page's connection is told.
#[derive(Debug)]
pub(super) enum ToSubject {
    Message(ServerMessage),
    /// Answered when the other side shows life.
    Probe(oneshot::Sender<()>),
    /// The last one.
    Close(u16),
}

/// A page's connection, as others see it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub id: u64,
    mailbox: mpsc::Sender<ToSubject>,
}

impl Subject {
    pub fn tell(&self, message: ServerMessage) {
        // A page that does not read is as good as gone, its heartbeat will say so.
        let _ = self.mailbox.try_send(ToSubject::Message(message));
    }

    pub fn close(&self, code: u16) {
        let _ = self.mailbox.try_send(ToSubject::Close(code));
    }

    pub async fn is_alive(&self) -> bool {
        let (life, sign) = oneshot::channel();
        self.mailbox.try_send(ToSubject::Probe(life)).is_ok()
            && matches!(tokio::time::timeout(PROBE_LIMIT, sign).await, Ok(Ok(())))
    }
}

/// Why a page gets no seat.
#[derive(Debug)]
pub(super) enum NoSeat {
    /// Somebody has it.
    Taken(Subject),
    /// [`MAX_ROOMS`].
    Full,
}

/// All rooms in which a seat is taken.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<Rooms>>);

#[derive(Default)]
struct Rooms {
    rooms: HashMap<String, Room>,
    last_id: u64,
}

#[derive(Default)]
struct Room {
    flow: Option<mpsc::UnboundedSender<FromSubject>>,
    subject: Option<Subject>,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        lock(&self.0)
    }

    /// The flow's seat and what it hears; `None` when it is taken. A subject that is already there joins at once.
    pub fn seat_flow(&self, room: &str) -> Option<(FlowSeat, mpsc::UnboundedReceiver<FromSubject>)> {
        // Unbounded, because joining and leaving must not get lost; a page's messages are limited where they come in.
        let (sender, inbox) = mpsc::unbounded_channel();
        let mut rooms = self.lock();
        let entry = rooms.rooms.entry(room.into()).or_default();
        if entry.flow.is_some() {
            return None;
        }
        if let Some(subject) = &entry.subject {
            let _ = sender.send(FromSubject::Joined(subject.clone()));
        }
        entry.flow = Some(sender);
        Some((FlowSeat { seats: self.clone(), room: room.into() }, inbox))
    }

    /// The subject's seat and what its page is told.
    pub fn seat_subject(&self, room: &str) -> Result<(SubjectSeat, mpsc::Receiver<ToSubject>), NoSeat> {
        let mut rooms = self.lock();
        if rooms.rooms.len() >= MAX_ROOMS && !rooms.rooms.contains_key(room) {
            return Err(NoSeat::Full);
        }
        rooms.last_id += 1;
        let id = rooms.last_id;
        let entry = rooms.rooms.entry(room.into()).or_default();
        if let Some(other) = &entry.subject {
            return Err(NoSeat::Taken(other.clone()));
        }
        let (mailbox, mail) = mpsc::channel(MAILBOX);
        let subject = Subject { id, mailbox };
        entry.subject = Some(subject.clone());
        match &entry.flow {
            Some(flow) => drop(flow.send(FromSubject::Joined(subject))),
            None => subject.tell(ServerMessage::Waiting),
        }
        Ok((SubjectSeat { seats: self.clone(), room: room.into(), id }, mail))
    }

    /// Frees a subject's seat, if it still has it, and tells the flow.
    pub fn unseat_subject(&self, room: &str, id: u64) {
        let mut rooms = self.lock();
        let Some(entry) = rooms.rooms.get_mut(room) else { return };
        if entry.subject.as_ref().is_none_or(|subject| subject.id != id) {
            return;
        }
        entry.subject = None;
        match &entry.flow {
            Some(flow) => drop(flow.send(FromSubject::Left(id))),
            None => drop(rooms.rooms.remove(room)),
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.lock().rooms.is_empty()
    }
}

/// Held by a flow.
pub(super) struct FlowSeat {
    seats: Seats,
    pub room: String,
}

impl Drop for FlowSeat {
    fn drop(&mut self) {
        let mut rooms = self.seats.lock();
        let Some(entry) = rooms.rooms.get_mut(&self.room) else { return };
        entry.flow = None;
        if entry.subject.is_none() {
            rooms.rooms.remove(&self.room);
        }
    }
}

/// Held by a page's connection.
pub(super) struct SubjectSeat {
    seats: Seats,
    room: String,
    id: u64,
}

impl SubjectSeat {
    /// Hands the page's message to the flow; `false` when there is none.
    pub fn forward(&self, message: ClientMessage) -> bool {
        let rooms = self.seats.lock();
        let flow = rooms.rooms.get(&self.room).and_then(|entry| entry.flow.as_ref());
        flow.is_some_and(|flow| flow.send(FromSubject::Message(self.id, message)).is_ok())
    }
}

impl Drop for SubjectSeat {
    fn drop(&mut self) {
        self.seats.unseat_subject(&self.room, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_waits_for_the_other() {
        let seats = Seats::default();
        let (page, mut mail) = seats.seat_subject("r").ok().unwrap();
        assert!(matches!(mail.try_recv(), Ok(ToSubject::Message(ServerMessage::Waiting))));
        assert!(!page.forward(ClientMessage::Bye));
        let (flow, mut inbox) = seats.seat_flow("r").unwrap();
        assert!(matches!(inbox.try_recv(), Ok(FromSubject::Joined(_))));
        assert!(page.forward(ClientMessage::Bye));
        assert!(matches!(inbox.try_recv(), Ok(FromSubject::Message(1, ClientMessage::Bye))));
        drop(page);
        assert!(matches!(inbox.try_recv(), Ok(FromSubject::Left(1))));
        let (_page, mut mail) = seats.seat_subject("r").ok().unwrap();
        assert!(matches!(inbox.try_recv(), Ok(FromSubject::Joined(Subject { id: 2, .. }))));
        assert!(mail.try_recv().is_err(), "nothing to wait for");
        drop(flow);
        assert!(!seats.is_empty());
        drop(_page);
        assert!(seats.is_empty());
    }

    fn occupant(seats: &Seats) -> Subject {
        match seats.seat_subject("r") {
            Err(NoSeat::Taken(other)) => other,
            _ => panic!("the seat is not taken"),
        }
    }

    #[test]
    fn there_is_an_end_of_rooms() {
        let seats = Seats::default();
        let pages: Vec<_> = (0..MAX_ROOMS).map(|n| seats.seat_subject(&n.to_string()).ok().unwrap()).collect();
        assert!(matches!(seats.seat_subject("one more"), Err(NoSeat::Full)));
        // those who are there are served
        assert!(matches!(seats.seat_subject("7"), Err(NoSeat::Taken(_))));
        let _flow = seats.seat_flow("7").unwrap();
        assert!(seats.seat_flow("one more").is_some());
        drop(pages);
        assert!(seats.seat_subject("one more").is_ok());
    }

    #[test]
    fn a_seat_is_taken_once() {
        let seats = Seats::default();
        let first = seats.seat_flow("r").unwrap();
        assert!(seats.seat_flow("r").is_none());
        assert!(seats.seat_flow("other").is_some());
        let (page, _mail) = seats.seat_subject("r").ok().unwrap();
        let other = occupant(&seats);
        assert_eq!(other.id, 1);
        // taken for dead: its late end does not touch the one that came after it
        seats.unseat_subject("r", other.id);
        let (next, _mail) = seats.seat_subject("r").ok().unwrap();
        drop(page);
        assert!(seats.seat_subject("r").is_err());
        drop((first, next));
        assert!(seats.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_dead_do_not_answer() {
        let seats = Seats::default();
        let (_page, mut mail) = seats.seat_subject("r").ok().unwrap();
        let other = occupant(&seats);
        assert!(!other.is_alive().await);
        let answering = tokio::spawn(async move {
            while let Some(told) = mail.recv().await {
                if let ToSubject::Probe(life) = told {
                    let _ = life.send(());
                }
            }
        });
        assert!(other.is_alive().await);
        answering.abort();
        let _ = answering.await;
        assert!(!other.is_alive().await, "its mailbox is gone");
    }
}
