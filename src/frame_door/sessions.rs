//! Who is there. Holds sessions whose connection broke until their client comes back, and counts all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::protocol::SessionId;
use super::session::Session;
use crate::lock::lock;

/// How long a connection may take to let go of a session that another one goes on with: the rest of a frame.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(5);

/// All sessions of the door.
pub struct Sessions {
    inner: Arc<Mutex<Inner>>,
    resume_limit: Duration,
}

struct Inner {
    entries: HashMap<SessionId, Entry>,
    max: usize,
    max_per_address: usize,
    /// Tells one time of being parked from the next.
    parked: u64,
}

struct Entry {
    address: IpAddr,
    /// Cancelled when another connection wants the session.
    wanted: CancellationToken,
    /// Told when the session is parked.
    returned: Arc<Notify>,
    parked: Option<(u64, Box<Session>)>,
}

/// A place; dropping it gives it free.
pub struct Place {
    inner: Arc<Mutex<Inner>>,
    id: SessionId,
    /// Another connection wants the session: park it.
    pub wanted: CancellationToken,
    resume_limit: Duration,
    is_kept: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// As many sessions as there may be.
    Full,
    /// As many as this address may have.
    FullForAddress,
}

impl Sessions {
    /// Nobody there. `max_per_address` 0: no limit.
    pub fn new(max: usize, max_per_address: usize, resume_limit: Duration) -> Self {
        let inner = Inner { entries: HashMap::new(), max, max_per_address, parked: 0 };
        Self { inner: Arc::new(Mutex::new(inner)), resume_limit }
    }

    /// How many are there, and how many may be.
    pub fn load(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.entries.len(), inner.max)
    }

    /// Ends those that wait for their clients and waits for the others, which have been told to stop; at most for `grace`.
    pub async fn drain(&self, grace: Duration) {
        let ended = tokio::time::timeout(grace, async {
            loop {
                let parked: Vec<_> = {
                    let mut inner = lock(&self.inner);
                    inner
                        .entries
                        .extract_if(|_, entry| entry.parked.is_some())
                        .filter_map(|(_, entry)| entry.parked)
                        .collect()
                };
                // plug-ins may write files
                let left = tokio::task::spawn_blocking(|| parked.into_iter().for_each(|(_, session)| session.left()));
                let _ = left.await;
                if lock(&self.inner).entries.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        if ended.await.is_err() {
            tracing::warn!("sessions were still under way at the end of the time to stop");
        }
    }

    /// A place for a new session.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take(&self, id: SessionId, address: IpAddr) -> Result<Place, NoPlace> {
        let mut inner = lock(&self.inner);
        if inner.entries.len() >= inner.max {
            return Err(NoPlace::Full);
        }
        let of_address = inner.entries.values().filter(|entry| entry.address == address).count();
        if inner.max_per_address > 0 && of_address >= inner.max_per_address {
            return Err(NoPlace::FullForAddress);
        }
        let wanted = CancellationToken::new();
        let entry = Entry { address, wanted: wanted.clone(), returned: Arc::default(), parked: None };
        inner.entries.insert(id, entry);
        Ok(self.place(id, wanted))
    }

    fn place(&self, id: SessionId, wanted: CancellationToken) -> Place {
        Place { inner: self.inner.clone(), id, wanted, resume_limit: self.resume_limit, is_kept: false }
    }

    /// Goes on with a session: one that was parked, or one that another connection still has, which is told to let go.
    /// None: there is no such session (any more).
    pub async fn resume(&self, id: SessionId) -> Option<(Box<Session>, Place)> {
        let taken = tokio::time::timeout(TAKEOVER_LIMIT, async {
            loop {
                let returned = {
                    let mut inner = lock(&self.inner);
                    let entry = inner.entries.get_mut(&id)?;
                    if let Some((_, session)) = entry.parked.take() {
                        entry.wanted = CancellationToken::new();
                        return Some((session, self.place(id, entry.wanted.clone())));
                    }
                    entry.wanted.cancel();
                    entry.returned.clone()
                };
                // the permit is kept if it came in between
                returned.notified().await;
            }
        });
        taken.await.ok().flatten()
    }
}

impl Place {
    /// Keeps the session for a client that may come back.
    pub fn park(mut self, session: Box<Session>) {
        self.is_kept = true;
        let number = {
            let mut inner = lock(&self.inner);
            inner.parked += 1;
            let number = inner.parked;
            let Some(entry) = inner.entries.get_mut(&self.id) else { return };
            entry.parked = Some((number, session));
            entry.returned.notify_one();
            number
        };
        let (inner, id, limit) = (self.inner.clone(), self.id, self.resume_limit);
        tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            let over = {
                let mut inner = lock(&inner);
                let is_still =
                    inner.entries.get(&id).and_then(|entry| entry.parked.as_ref()).is_some_and(|(it, _)| *it == number);
                is_still.then(|| inner.entries.remove(&id)).flatten()
            };
            if let Some((_, session)) = over.and_then(|entry| entry.parked) {
                tracing::info!(session = ?id, "the client did not come back");
                // plug-ins may write files
                let _ = tokio::task::spawn_blocking(|| session.left()).await;
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            let entry = lock(&self.inner).entries.remove(&self.id);
            if let Some(entry) = entry {
                entry.returned.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn id() -> SessionId {
        SessionId::random().unwrap()
    }

    #[tokio::test]
    async fn places_are_counted_by_address_and_given_back() {
        let sessions = Sessions::new(3, 2, Duration::from_secs(1));
        let first = sessions.take(id(), HERE).ok().unwrap();
        let _second = sessions.take(id(), HERE).ok().unwrap();
        assert_eq!(sessions.take(id(), HERE).err(), Some(NoPlace::FullForAddress));
        let _third = sessions.take(id(), THERE).ok().unwrap();
        assert_eq!(sessions.take(id(), THERE).err(), Some(NoPlace::Full));
        drop(first);
        assert_eq!(sessions.load(), (2, 3));
        assert!(sessions.take(id(), HERE).is_ok());
        let open = Sessions::new(9, 0, Duration::ZERO);
        let places: Vec<_> = (0..9).map(|_| open.take(id(), HERE).ok().unwrap()).collect();
        assert_eq!(places.len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_what_is_not_there_gets_nothing() {
        let sessions = Sessions::new(3, 2, Duration::from_secs(1));
        assert!(sessions.resume(id()).await.is_none());
        let name = id();
        let place = sessions.take(name, HERE).ok().unwrap();
        let wanted = place.wanted.clone();
        // the connection hears of it, and ends without keeping the session
        let (resumed, ()) = tokio::join!(sessions.resume(name), async {
            wanted.cancelled().await;
            drop(place);
        });
        assert!(resumed.is_none());
    }
}
