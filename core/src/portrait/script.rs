//! What the portrait does, over time. Time is an argument: seconds since a gesture began, or since any moment at all.

use std::f32::consts::TAU;
use std::time::Duration;

use super::Expression;

/// Stillness before and after every gesture, seconds: so that each is seen to begin and end at rest.
const BEFORE: f32 = 0.3;
const AFTER: f32 = 0.5;

const REST: Expression = Expression {
    blink_right: 0.0,
    blink_left: 0.0,
    smile: 0.0,
    jaw_open: 0.0,
    yaw: 0.0,
    pitch: 0.0,
    roll: 0.0,
    shift: [0.0; 2],
};
const EYES_CLOSED: Expression = Expression { blink_right: 1.0, blink_left: 1.0, ..REST };
const SMILE: Expression = Expression { smile: 1.0, ..REST };
const MOUTH_OPEN: Expression = Expression { jaw_open: 1.0, ..REST };
const TURNED_LEFT: Expression = Expression { yaw: 0.38, ..REST };
const TURNED_RIGHT: Expression = Expression { yaw: -0.38, ..REST };
// From below a mouth at rest looks like a smile to the landmarker: firm lips do not.
const CHIN_DOWN: Expression = Expression { pitch: -0.25, smile: -0.3, ..REST };
const LOOKING_UP: Expression = Expression { pitch: 0.42, ..REST };
// Past the pictured pose: `updown` ends a little above it.
const CHIN_UP: Expression = Expression { pitch: 0.12, ..REST };

/// A pose: reached within `reach` seconds, kept for `hold`.
#[derive(Clone, Copy, Debug)]
struct Beat {
    pose: Expression,
    reach: f32,
    hold: f32,
}

const fn beat(pose: Expression, reach: f32, hold: f32) -> Beat {
    Beat { pose, reach, hold }
}

/// A gesture, or several, acted out once: from rest to rest.
#[derive(Clone, Debug)]
pub struct Performance {
    beats: Vec<Beat>,
}

impl Performance {
    /// Ids of the gestures that a portrait can act out, as in `assets/gestures`. The others are those of the eyes, which it
    /// does not move: `eyesUpwards`, `eyesDownwards`, `eyesShiftLeft`, `eyesShiftRight`, `faceFrontLeft`, `faceFrontRight`.
    pub const GESTURES: [&str; 8] =
        ["blink", "smile", "openCloseMouth", "turnLeft", "turnRight", "nod", "updown", "downup"];

    /// The gesture with this id, or `None` if it cannot be acted out.
    pub fn gesture(id: &str) -> Option<Self> {
        let acted: &[Beat] = match id {
            "blink" => &[beat(EYES_CLOSED, 0.1, 0.2), beat(REST, 0.15, 0.0)],
            "smile" => &[beat(SMILE, 0.4, 0.45), beat(REST, 0.45, 0.0)],
            "openCloseMouth" => &[beat(MOUTH_OPEN, 0.4, 0.35), beat(REST, 0.28, 0.0)],
            "turnLeft" => &[beat(TURNED_LEFT, 0.6, 0.35), beat(REST, 0.6, 0.0)],
            "turnRight" => &[beat(TURNED_RIGHT, 0.6, 0.35), beat(REST, 0.6, 0.0)],
            "nod" => &[beat(CHIN_DOWN, 0.45, 0.2), beat(REST, 0.45, 0.0)],
            "updown" => {
                &[beat(LOOKING_UP, 0.6, 0.2), beat(CHIN_DOWN, 0.8, 0.2), beat(CHIN_UP, 0.5, 0.1), beat(REST, 0.4, 0.0)]
            }
            "downup" => &[beat(CHIN_DOWN, 0.45, 0.2), beat(LOOKING_UP, 0.8, 0.2), beat(REST, 0.6, 0.0)],
            _ => return None,
        };
        let mut beats = vec![beat(REST, 0.0, BEFORE)];
        beats.extend_from_slice(acted);
        beats.push(beat(REST, 0.0, AFTER));
        Some(Self { beats })
    }

    /// One gesture after another; ids that cannot be acted out are left out.
    pub fn in_turn<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self { beats: ids.into_iter().filter_map(Self::gesture).flat_map(|p| p.beats).collect() }
    }

    /// How long it takes.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f32(self.beats.iter().map(|b| b.reach + b.hold).sum())
    }

    /// The expression some time after the beginning; at rest after the end.
    pub fn at(&self, elapsed: Duration) -> Expression {
        let mut left = elapsed.as_secs_f32();
        let mut from = REST;
        for beat in &self.beats {
            if left < beat.reach {
                return from.towards(&beat.pose, eased(left / beat.reach));
            }
            left -= beat.reach;
            if left < beat.hold {
                return beat.pose;
            }
            left -= beat.hold;
            from = beat.pose;
        }
        REST
    }
}

/// Someone to direct: acts out a gesture again and again until asked for another, and is never quite still.
#[derive(Clone, Debug, Default)]
pub struct Performer {
    asked: Option<Performance>,
    /// What is being acted out, and since when. It is always finished first, as people do.
    acting: Option<(Performance, Duration)>,
}

impl Performer {
    /// At rest, until [`asked`](Self::ask).
    pub fn new() -> Self {
        Self::default()
    }

    /// Acts out these gestures one after another, over and over; ids that cannot be acted out are left out.
    pub fn in_turn<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        Self { asked: Some(Performance::in_turn(ids)), acting: None }
    }

    /// From now on this gesture, or rest. `false` if it cannot be acted out: then it rests.
    pub fn ask(&mut self, id: Option<&str>) -> bool {
        self.asked = id.and_then(Performance::gesture);
        id.is_none() || self.asked.is_some()
    }

    /// The expression at `now`, the time since any fixed moment; it must not go back.
    pub fn expression(&mut self, now: Duration) -> Expression {
        if let Some((performance, since)) = &self.acting
            && now.saturating_sub(*since) >= performance.duration()
        {
            self.acting = None;
        }
        if self.acting.is_none() {
            self.acting = self.asked.clone().map(|performance| (performance, now));
        }
        let acted =
            self.acting.as_ref().map_or(REST, |(performance, since)| performance.at(now.saturating_sub(*since)));
        alive(acted, now)
    }
}

/// Adds what nobody can suppress: breathing, and the sway of a head that is held still. Too little for any gesture.
pub fn alive(expression: Expression, now: Duration) -> Expression {
    let now = now.as_secs_f64();
    let wave = |hertz: f64, phase: f64| ((now * hertz + phase).fract() as f32 * TAU).sin();
    let breath = wave(0.27, 0.0);
    Expression {
        yaw: expression.yaw + 0.014 * wave(0.11, 0.2) + 0.007 * wave(0.43, 0.5),
        pitch: expression.pitch + 0.008 * wave(0.17, 0.4) + 0.006 * breath,
        roll: expression.roll + 0.010 * wave(0.13, 0.7) + 0.004 * wave(0.37, 0.1),
        shift: [
            expression.shift[0] + 0.012 * wave(0.09, 0.3) + 0.004 * wave(0.53, 0.9),
            expression.shift[1] + 0.010 * breath + 0.004 * wave(0.31, 0.6),
        ],
        ..expression
    }
}

/// Minimum-jerk motion from 0 to 1 (Flash and Hogan 1985), as people move.
fn eased(t: f32) -> f32 {
    t * t * t * (10.0 + t * (6.0 * t - 15.0))
}

impl Expression {
    /// This expression on its way to another: 0 this one, 1 the other.
    fn towards(&self, other: &Self, amount: f32) -> Self {
        let mix = |a: f32, b: f32| a + (b - a) * amount;
        Self {
            blink_right: mix(self.blink_right, other.blink_right),
            blink_left: mix(self.blink_left, other.blink_left),
            smile: mix(self.smile, other.smile),
            jaw_open: mix(self.jaw_open, other.jaw_open),
            yaw: mix(self.yaw, other.yaw),
            pitch: mix(self.pitch, other.pitch),
            roll: mix(self.roll, other.roll),
            shift: [mix(self.shift[0], other.shift[0]), mix(self.shift[1], other.shift[1])],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_micros(33_333);

    fn frames(performance: &Performance) -> impl Iterator<Item = Expression> + '_ {
        let count = performance.duration().as_micros() / FRAME.as_micros();
        (0..=count as u32).map(|i| performance.at(FRAME * i))
    }

    /// Every number of an expression.
    fn numbers(e: &Expression) -> [f32; 9] {
        [e.blink_right, e.blink_left, e.smile, e.jaw_open, e.yaw, e.pitch, e.roll, e.shift[0], e.shift[1]]
    }

    #[test]
    fn gestures_go_from_rest_to_rest_within_their_limit() {
        for id in Performance::GESTURES {
            let performance = Performance::gesture(id).unwrap();
            assert!(performance.duration() < Duration::from_secs(5), "{id}");
            let all: Vec<_> = frames(&performance).collect();
            assert_eq!(all[0], REST, "{id}");
            assert_eq!(*all.last().unwrap(), REST, "{id}");
            assert_eq!(performance.at(Duration::from_secs(100)), REST, "{id}");
            assert!(all.iter().any(|e| *e != REST), "{id} does nothing");
        }
        assert!(Performance::gesture("eyesUpwards").is_none());
    }

    #[test]
    fn each_gesture_reaches_what_it_is_named_for() {
        let most = |id: &str, value: fn(&Expression) -> f32| {
            let performance = Performance::gesture(id).unwrap();
            frames(&performance).map(|e| value(&e)).fold(f32::MIN, f32::max)
        };
        assert_eq!(most("blink", |e| e.blink_left.min(e.blink_right)), 1.0);
        assert_eq!(most("smile", |e| e.smile), 1.0);
        assert_eq!(most("openCloseMouth", |e| e.jaw_open), 1.0);
        assert!(most("turnLeft", |e| e.yaw) > 0.3 && most("turnLeft", |e| -e.yaw) <= 0.0);
        assert!(most("turnRight", |e| -e.yaw) > 0.3 && most("turnRight", |e| e.yaw) <= 0.0);
        assert!(most("nod", |e| -e.pitch) > 0.2);
    }

    #[test]
    fn closed_eyes_last_for_a_few_frames() {
        let blink = Performance::gesture("blink").unwrap();
        assert!(frames(&blink).filter(|e| e.blink_left == 1.0).count() >= 5);
    }

    #[test]
    fn the_default_gestures_recur_within_eight_seconds() {
        let loop_ = Performance::in_turn(["blink", "smile", "faceFrontLeft", "openCloseMouth"]);
        assert!(loop_.duration() < Duration::from_secs(8));
        let parts = ["blink", "smile", "openCloseMouth"].map(|id| Performance::gesture(id).unwrap().duration());
        assert!(loop_.duration().abs_diff(parts.iter().sum()) < Duration::from_millis(1));
    }

    #[test]
    fn a_performer_repeats_what_is_asked_and_finishes_before_it_changes() {
        let mut performer = Performer::new();
        let mut seen = String::new();
        for i in 0..600u32 {
            match i {
                30 => assert!(performer.ask(Some("smile"))),
                150 => assert!(performer.ask(Some("openCloseMouth"))),
                300 => assert!(performer.ask(None)),
                500 => assert!(!performer.ask(Some("faceFrontLeft"))),
                _ => {}
            }
            let e = performer.expression(FRAME * i);
            let now = if e.smile == 1.0 {
                's'
            } else if e.jaw_open == 1.0 {
                'o'
            } else {
                '-'
            };
            if !seen.ends_with(now) {
                seen.push(now);
            }
            assert!(e.smile == 0.0 || e.jaw_open == 0.0, "frame {i}: two gestures at once");
        }
        // Asked in the middle of the second smile, the mouth opens after it.
        assert_eq!(seen, "-s-s-o-o-o-");
    }

    #[test]
    fn nothing_jumps() {
        let mut performer = Performer::in_turn(Performance::GESTURES);
        let mut last = numbers(&performer.expression(Duration::ZERO));
        for i in 1..3000u32 {
            let now = numbers(&performer.expression(FRAME * i));
            for (value, before) in now.iter().zip(last) {
                assert!((value - before).abs() < 0.65, "frame {i}");
            }
            last = now;
        }
    }

    #[test]
    fn being_alive_moves_always_but_little() {
        let at = |i: u32| numbers(&alive(REST, FRAME * i));
        for i in 0..5000 {
            let now = at(i);
            assert_eq!(now[..4], [0.0; 4]);
            assert!(now[4..7].iter().all(|v| v.abs() < 0.025), "frame {i}");
            assert_ne!(now, at(i + 1));
        }
    }
}
