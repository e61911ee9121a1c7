//! Which of the room's videos is the subject's. Pure: what the server tells goes in, whom to watch comes out.
//!
//! By default the subject is the *first* other peer that produces video. It stays the subject: a second camera, a
//! screen share or another peer changes nothing. When the subject's video ends, another camera of the same peer takes
//! its place; when the peer is gone, the same peer coming back or somebody who comes after does. Those who stood by
//! while the subject was there do not: they were not the one to be verified before, so they are not now.

use serde_json::Value;

use super::messages::NewConsumer;

/// Tracks of others that are kept in mind. More are not looked at.
const MAX_TRACKS: usize = 64;

/// How the subject is found; configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubjectRule {
    /// The first other peer that produces video.
    #[default]
    First,
    /// The peer that began to produce last, at every moment.
    Newest,
    /// The peer with this id, nobody else.
    Peer(String),
}

/// What has changed for the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Watch this consumer from now on, and no other.
    Watch(String),
    /// There is nobody to watch any more.
    Gone,
}

#[derive(Clone, Debug)]
struct Track {
    consumer: String,
    peer: String,
    paused: bool,
    /// Came while another peer was the subject.
    bystander: bool,
}

/// Keeps track of who is the subject.
#[derive(Clone, Debug, Default)]
pub struct SubjectChoice {
    rule: SubjectRule,
    /// Cameras of others, in the order in which they were offered.
    tracks: Vec<Track>,
    /// The one that is watched.
    watched: Option<String>,
    /// The peer that is, or was, the subject.
    peer: Option<String>,
    /// Peers that stood by when the connection was lost.
    stood_by: Vec<String>,
}

impl SubjectChoice {
    /// Nobody is there yet.
    pub fn new(rule: SubjectRule) -> Self {
        Self { rule, ..Self::default() }
    }

    /// The consumer that is watched.
    pub fn watched(&self) -> Option<&str> {
        self.watched.as_deref()
    }

    /// The connection is lost, and everything will be offered anew. Who was what is remembered.
    pub fn rejoin(&mut self) {
        let bystanders = self.tracks.drain(..).filter(|track| track.bystander).map(|track| track.peer);
        self.stood_by.extend(bystanders);
        self.watched = None;
    }

    /// The server offers a track.
    pub fn offered(&mut self, offer: &NewConsumer) -> Option<Change> {
        if offer.kind != "video" || is_screen(&offer.app_data) || self.tracks.len() >= MAX_TRACKS {
            return None;
        }
        self.tracks.retain(|track| track.consumer != offer.id);
        let is_other = self.watched.is_some() && self.peer.as_ref() != Some(&offer.peer_id);
        self.tracks.push(Track {
            consumer: offer.id.clone(),
            peer: offer.peer_id.clone(),
            paused: offer.producer_paused,
            bystander: is_other || self.stood_by.contains(&offer.peer_id),
        });
        self.choose()
    }

    /// A track has ended.
    pub fn closed(&mut self, consumer: &str) -> Option<Change> {
        self.tracks.retain(|track| track.consumer != consumer);
        self.choose()
    }

    /// A peer has left.
    pub fn left(&mut self, peer: &str) -> Option<Change> {
        self.tracks.retain(|track| track.peer != peer);
        self.stood_by.retain(|other| other != peer);
        self.choose()
    }

    /// A track's producer makes a pause, or goes on. The subject may cover the camera without another one taking over.
    pub fn paused(&mut self, consumer: &str, paused: bool) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.consumer == consumer) {
            track.paused = paused;
        }
    }

    fn choose(&mut self) -> Option<Change> {
        let chosen = match &self.rule {
            SubjectRule::First => self.keep().or_else(|| self.first()),
            SubjectRule::Newest => self.newest(),
            SubjectRule::Peer(id) => self.keep().or_else(|| self.best_of(id)),
        };
        match chosen.cloned() {
            Some(track) if self.watched.as_ref() != Some(&track.consumer) => {
                self.watched = Some(track.consumer.clone());
                self.peer = Some(track.peer);
                Some(Change::Watch(track.consumer))
            }
            Some(_) => None,
            None => self.watched.take().map(|_| Change::Gone),
        }
    }

    /// The watched track, if it is still there.
    fn keep(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| Some(&track.consumer) == self.watched.as_ref())
    }

    /// Another track of the same peer, or the first by somebody who is no bystander.
    fn first(&self) -> Option<&Track> {
        let same = self.peer.as_deref().and_then(|peer| self.best_of(peer));
        same.or_else(|| self.tracks.iter().find(|track| !track.bystander))
    }

    /// The watched track, unless another peer began later.
    fn newest(&self) -> Option<&Track> {
        let mut begun: Vec<&str> = Vec::new();
        for track in &self.tracks {
            if !begun.contains(&track.peer.as_str()) {
                begun.push(&track.peer);
            }
        }
        let newest = *begun.last()?;
        self.keep().filter(|track| track.peer == newest).or_else(|| self.best_of(newest))
    }

    /// A peer's first track that is not in a pause; else its first.
    fn best_of(&self, peer: &str) -> Option<&Track> {
        let mut own = self.tracks.iter().filter(|track| track.peer == peer);
        let first = own.clone().next();
        own.find(|track| !track.paused).or(first)
    }
}

/// Clients say in `appData` that a video is a screen: `{"share": true}`, or a word in one of some fields.
fn is_screen(app_data: &Value) -> bool {
    let says = |key: &str| {
        let word = app_data.get(key).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        ["screen", "share", "display"].iter().any(|part| word.contains(part))
    };
    app_data.get("share").and_then(Value::as_bool).unwrap_or(false)
        || ["source", "type", "mediaTag", "mediaType"].into_iter().any(says)
}

/// Which spatial layer of a stream with several to ask for: the smallest whose shorter side has at least
/// [`NEEDED_LINES`], each layer having twice the lines of the one below. `seen` is a layer and the shorter side of its
/// picture; before any was seen the largest layer is asked for, since cameras that send 720 lines send 360 below them.
pub fn wanted_layer(layers: u8, seen: Option<(u8, usize)>) -> u8 {
    let largest = layers.saturating_sub(1);
    let Some((layer, lines)) = seen else { return largest };
    (0..largest)
        .find(|candidate| {
            let up = i32::from(*candidate) - i32::from(layer);
            lines as f64 * 2f64.powi(up) >= NEEDED_LINES as f64
        })
        .unwrap_or(largest)
}

/// A picture with fewer lines has faces too small for the landmarks to be exact.
pub const NEEDED_LINES: usize = 480;

/// How many spatial layers a scalability mode such as `L3T2` or `S2T3` has.
pub fn spatial_layers(mode: &str) -> u8 {
    let digits: String = mode.chars().skip(1).take_while(char::is_ascii_digit).collect();
    let known = mode.starts_with(['L', 'S']);
    digits.parse().ok().filter(|layers| known && (1..=8).contains(layers)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer(peer: &str, consumer: &str) -> NewConsumer {
        serde_json::from_value(json!({
            "peerId": peer, "producerId": format!("p-{consumer}"), "id": consumer, "kind": "video",
            "rtpParameters": {}, "appData": {},
        }))
        .unwrap()
    }

    fn screen(peer: &str, consumer: &str) -> NewConsumer {
        NewConsumer { app_data: json!({"share": true}), ..offer(peer, consumer) }
    }

    fn watch(consumer: &str) -> Option<Change> {
        Some(Change::Watch(consumer.into()))
    }

    #[test]
    fn the_first_peer_stays_the_subject() {
        let mut choice = SubjectChoice::new(SubjectRule::First);
        assert_eq!(choice.offered(&screen("a", "a-screen")), None, "a screen is nobody's face");
        assert_eq!(choice.offered(&NewConsumer { kind: "audio".into(), ..offer("a", "a-voice") }), None);
        assert_eq!(choice.offered(&offer("a", "a1")), watch("a1"));
        assert_eq!(choice.offered(&offer("b", "b1")), None);
        assert_eq!(choice.offered(&offer("a", "a2")), None, "a second camera");
        assert_eq!(choice.closed("b1"), None);
        assert_eq!(choice.left("b"), None);
        choice.paused("a1", true);
        assert_eq!(choice.offered(&offer("c", "c1")), None);
        // the subject's first camera ends, then the second, then they are gone; c only stood by
        assert_eq!(choice.closed("a1"), watch("a2"));
        assert_eq!(choice.closed("a2"), Some(Change::Gone));
        assert_eq!(choice.left("a"), None);
        assert_eq!(choice.offered(&offer("c", "c2")), watch("c2"), "somebody who begins after the subject left");
        assert_eq!(choice.left("c"), Some(Change::Gone));
        assert_eq!(choice.offered(&offer("a", "a3")), watch("a3"), "or comes back");
    }

    #[test]
    fn whoever_stood_by_does_not_take_over() {
        let mut choice = SubjectChoice::new(SubjectRule::First);
        assert_eq!(choice.offered(&offer("a", "a1")), watch("a1"));
        assert_eq!(choice.offered(&offer("agent", "x")), None);
        assert_eq!(choice.left("a"), Some(Change::Gone));
        assert_eq!(choice.offered(&offer("a", "a2")), watch("a2"));
        // after a reconnection all are offered at once, in any order
        assert_eq!(choice.offered(&offer("agent", "y")), None);
        choice.rejoin();
        assert_eq!(choice.watched(), None);
        assert_eq!(choice.offered(&offer("agent", "z")), None);
        assert_eq!(choice.offered(&offer("a", "a3")), watch("a3"));
    }

    #[test]
    fn a_camera_that_is_on_is_preferred() {
        let mut choice = SubjectChoice::new(SubjectRule::First);
        let paused = NewConsumer { producer_paused: true, ..offer("a", "a1") };
        assert_eq!(choice.offered(&paused), watch("a1"), "it is all there is");
        assert_eq!(choice.offered(&NewConsumer { producer_paused: true, ..offer("a", "a2") }), None);
        assert_eq!(choice.offered(&offer("a", "a3")), None);
        assert_eq!(choice.closed("a1"), watch("a3"));
    }

    #[test]
    fn the_newest_peer_takes_over() {
        let mut choice = SubjectChoice::new(SubjectRule::Newest);
        assert_eq!(choice.offered(&offer("a", "a1")), watch("a1"));
        assert_eq!(choice.offered(&offer("b", "b1")), watch("b1"));
        assert_eq!(choice.offered(&offer("a", "a2")), None, "a has been there before");
        assert_eq!(choice.offered(&offer("b", "b2")), None);
        assert_eq!(choice.left("b"), watch("a1"));
        assert_eq!(choice.left("a"), Some(Change::Gone));
    }

    #[test]
    fn a_named_peer_is_waited_for() {
        let mut choice = SubjectChoice::new(SubjectRule::Peer("b".into()));
        assert_eq!(choice.offered(&offer("a", "a1")), None);
        assert_eq!(choice.offered(&offer("b", "b1")), watch("b1"));
        assert_eq!(choice.left("b"), Some(Change::Gone));
        assert_eq!(choice.left("a"), None);
    }

    #[test]
    fn a_room_full_of_cameras_is_not_kept_in_mind() {
        let mut choice = SubjectChoice::new(SubjectRule::First);
        for n in 0..1000 {
            choice.offered(&offer(&format!("peer-{n}"), &format!("c{n}")));
        }
        assert_eq!(choice.tracks.len(), MAX_TRACKS);
        assert_eq!(choice.watched(), Some("c0"));
    }

    #[test]
    fn no_more_than_the_layer_that_is_needed() {
        for (layers, seen, wanted) in [
            (1, None, 0),
            (2, None, 1),
            (3, None, 2),
            (3, Some((2, 720)), 2),
            (3, Some((2, 1080)), 1),
            (3, Some((0, 270)), 1),
            (3, Some((2, 1920)), 0),
            (3, Some((2, 240)), 2),
            (0, Some((9, 480)), 0),
        ] {
            assert_eq!(wanted_layer(layers, seen), wanted, "{layers} {seen:?}");
        }
        for (mode, layers) in [("L3T3", 3), ("S2T1", 2), ("L1T1", 1), ("", 1), ("L", 1), ("L99T1", 1), ("x3", 1)] {
            assert_eq!(spatial_layers(mode), layers, "{mode}");
        }
    }
}
