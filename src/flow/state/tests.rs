//! Every state times every failure, by data; time is made up.

mod drive;

use vision_core::liveness::modes::Profile;
use vision_core::position::Extent;

use super::*;
use drive::{Drive, face, frame, only, reaching, settings};

const UNDECIDED: [State; 9] = [
    State::Joining,
    State::WaitingForSubject,
    State::Starting,
    State::Challenge(0),
    State::Challenge(1),
    State::Rejoining,
    State::Resuming(1),
    State::Colours,
    State::Matching,
];

fn not(reason: Reason) -> Outcome {
    Outcome::NotVerified(reason)
}

#[test]
fn a_live_person_who_matches_is_verified() {
    let mut d = Drive::new(settings()).to(State::Matching);
    assert_eq!(d.count(&Action::TakePicture), 2, "a picture for each gesture");
    assert_eq!(d.count(&Action::Match), 1);
    d.event(Event::Matched(Ok(true)));
    assert_eq!(d.machine.state(), State::Reporting);
    d.event(Event::Reported);
    d.wait(Duration::from_millis(2900));
    assert_eq!(d.count(&Action::Leave), 0, "the result stays on the screen");
    d.wait(Duration::from_millis(100));
    assert_eq!(d.count(&Action::Leave), 1);
    d.assert_ended(Outcome::Verified, "verified");

    let moments = d.machine.timeline().moments();
    assert_eq!(moments.gestures.len(), 2);
    assert_eq!(moments.gestures[0].asked_ms - moments.media_started_ms.unwrap(), 5000);
    assert!(moments.gestures.iter().all(|g| g.completed_ms.unwrap() > g.asked_ms));
}

#[test]
fn every_undecided_state_times_every_failure() {
    type Failure = (&'static str, fn(&mut Drive), fn(State) -> Option<Reason>);
    let failures: [Failure; 8] = [
        ("room closed", |d| drop(d.event(Event::RoomClosed)), |_| Some(Reason::RoomClosed)),
        (
            "the room is lost for good",
            |d| {
                d.event(Event::RoomLost);
                d.wait(Duration::from_secs(60));
            },
            |state| match state {
                State::Joining => Some(Reason::RoomUnreachable),
                State::Matching => Some(Reason::Deadline),
                _ => Some(Reason::RoomClosed),
            },
        ),
        ("room unreachable", |d| drop(d.event(Event::RoomUnreachable)), |_| Some(Reason::RoomUnreachable)),
        ("shutdown", |d| drop(d.event(Event::Shutdown)), |_| Some(Reason::Shutdown)),
        ("fault", |d| drop(d.event(Event::Fault)), |_| Some(Reason::Internal)),
        (
            "time",
            |d| d.wait(Duration::from_secs(60)),
            |state| {
                Some(match state {
                    State::Joining => Reason::RoomUnreachable,
                    State::WaitingForSubject => Reason::SubjectAbsent,
                    State::Starting | State::Challenge(_) | State::Resuming(_) => Reason::MediaLost,
                    State::Rejoining => Reason::SubjectLeft,
                    _ => Reason::Deadline,
                })
            },
        ),
        (
            "the subject leaves and stays away",
            |d| {
                d.event(Event::SubjectLeft);
                d.wait(Duration::from_secs(60));
            },
            |state| match state {
                State::Joining => Some(Reason::RoomUnreachable),
                State::WaitingForSubject => Some(Reason::SubjectAbsent),
                State::Matching => Some(Reason::Deadline),
                _ => Some(Reason::SubjectLeft),
            },
        ),
        (
            "several faces",
            |d| {
                for _ in 0..30 {
                    d.event(Event::Analysed(&frame(Some(face(&[])), 2)));
                    d.wait(Duration::from_millis(100));
                }
            },
            |state| {
                let watched =
                    matches!(state, State::Starting | State::Challenge(_) | State::Resuming(_) | State::Colours);
                watched.then_some(Reason::SeveralFaces)
            },
        ),
    ];
    for state in UNDECIDED {
        for (name, fail, expected) in &failures {
            let mut d = Drive::new(reaching(state)).to(state);
            fail(&mut d);
            let context = format!("{name} in {state:?}");
            match expected(state) {
                Some(reason) => d.assert_ended(not(reason), &context),
                None => assert_eq!(d.machine.outcome(), None, "{context}"),
            }
        }
    }
}

#[test]
fn whatever_the_comparison_answers_is_the_outcome() {
    for reason in [Reason::NoReferences, Reason::ControllerUnavailable, Reason::MatcherUnavailable, Reason::Internal] {
        let mut d = Drive::new(settings()).to(State::Matching);
        d.event(Event::Matched(Err(reason)));
        d.assert_ended(not(reason), reason.as_str());
    }
    let mut d = Drive::new(settings()).to(State::Matching);
    d.event(Event::Matched(Ok(false)));
    d.assert_ended(not(Reason::NoMatch), "no match");
}

#[test]
fn a_comparison_that_answers_out_of_turn_decides_nothing() {
    for state in UNDECIDED.into_iter().filter(|s| *s != State::Matching) {
        let mut d = Drive::new(reaching(state)).to(state);
        d.event(Event::Matched(Ok(true)));
        assert_eq!(d.machine.outcome(), None, "{state:?}");
    }
}

#[test]
fn nothing_changes_an_outcome() {
    for state in UNDECIDED {
        let mut d = Drive::new(reaching(state)).to(state);
        d.event(Event::Shutdown);
        d.event(Event::Matched(Ok(true)));
        d.event(Event::MediaStarted);
        d.event(Event::Analysed(&frame(Some(face(&[])), 3)));
        d.event(Event::RoomClosed);
        d.event(Event::Fault);
        d.event(Event::RoomJoined);
        d.assert_ended(not(Reason::Shutdown), &format!("{state:?}"));
    }
}

#[test]
fn a_decided_flow_ends_only_when_reported_and_left() {
    let decided = || {
        let mut d = Drive::new(settings()).to(State::Matching);
        d.event(Event::Matched(Ok(false)));
        d
    };
    let mut d = decided();
    d.wait(Duration::from_secs(100));
    d.event(Event::Left);
    assert_eq!((d.machine.state(), d.count(&Action::End)), (State::Leaving, 0), "the report is still open");
    d.event(Event::Reported);
    assert_eq!(d.count(&Action::End), 1);

    let mut d = decided();
    d.event(Event::Reported);
    assert_eq!(d.machine.state(), State::Reporting, "the result is still shown");
    d.event(Event::RoomClosed);
    assert_eq!(d.machine.state(), State::Leaving, "nobody can read it any more");
    d.event(Event::Left);
    d.assert_ended(not(Reason::NoMatch), "closed while reporting");

    let mut d = decided();
    d.event(Event::Shutdown);
    assert_eq!(d.count(&Action::Leave), 1, "a stopping service does not wait for readers");
    d.assert_ended(not(Reason::NoMatch), "shutdown while reporting");
}

#[test]
fn a_still_photo_times_out() {
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    d.show(&[], Duration::from_secs(11));
    d.assert_ended(not(Reason::GestureTimeout), "photo");
    let asked = d.machine.timeline().moments().gestures[0].asked_ms;
    assert!((9900..=10_100).contains(&(d.machine.timeline().moments().decided_ms.unwrap() - asked)));
}

#[test]
fn a_face_that_is_gone_when_time_is_up_is_face_lost() {
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    for _ in 0..110 {
        d.event(Event::Analysed(&frame(None, 0)));
        d.wait(Duration::from_millis(100));
    }
    d.assert_ended(not(Reason::FaceLost), "empty chair");

    let mut d = Drive::new(settings()).to(State::Challenge(0));
    for i in 0..110 {
        let seen = (i < 85).then(|| face(&[])); // away for the last second and a half only
        d.event(Event::Analysed(&frame(seen, 1)));
        d.wait(Duration::from_millis(100));
    }
    d.assert_ended(not(Reason::GestureTimeout), "away for a moment");
}

#[test]
fn video_that_is_gone_when_time_is_up_is_media_lost() {
    // the gesture's time is over before the video's
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    d.show(&[], Duration::from_secs(3));
    d.wait(Duration::from_millis(7500));
    d.assert_ended(not(Reason::MediaLost), "the network went away");

    let mut d = Drive::new(settings()).to(State::Challenge(0));
    d.show(&[], Duration::from_secs(9));
    d.wait(Duration::from_millis(1500));
    d.assert_ended(not(Reason::GestureTimeout), "a hiccup");
}

#[test]
fn who_comes_back_gets_a_new_challenge_and_no_credit() {
    let mut d = Drive::new(settings()).to(State::Challenge(1));
    assert_eq!((*d.draws.lock().unwrap(), d.count(&Action::TakePicture)), (1, 1));
    d.event(Event::SubjectLeft);
    d.wait(Duration::from_secs(9));
    d.event(Event::Analysed(&frame(Some(face(&[])), 1)));
    assert_eq!(d.machine.state(), State::Rejoining, "a frame that was still under way");
    let actions = d.event(Event::MediaStarted);
    assert!(actions.contains(&Action::Begin));
    assert_eq!((d.machine.state(), *d.draws.lock().unwrap()), (State::Starting, 2));
    d.show(&[], Duration::from_secs(5));
    assert_eq!(d.machine.state(), State::Challenge(0));
    d.blink();
    d.open_mouth();
    assert_eq!(d.machine.state(), State::Matching);
}

#[test]
fn a_room_that_was_lost_may_be_found_again() {
    let lost = || {
        let mut d = Drive::new(settings()).to(State::Challenge(1));
        d.event(Event::RoomLost);
        d.wait(Duration::from_secs(20));
        assert_eq!(d.machine.state(), State::Rejoining, "longer than a subject may stay away");
        d.event(Event::RoomBack);
        d
    };
    let mut d = lost();
    d.event(Event::MediaStarted);
    assert_eq!((d.machine.state(), *d.draws.lock().unwrap()), (State::Starting, 2));

    let mut d = lost();
    d.wait(Duration::from_secs(10));
    d.assert_ended(not(Reason::SubjectLeft), "the room is back, the subject is not");
}

#[test]
fn a_producer_that_is_replaced_starts_again_too() {
    let mut d = Drive::new(settings()).to(State::Challenge(1));
    d.event(Event::MediaStarted);
    assert_eq!((d.machine.state(), *d.draws.lock().unwrap()), (State::Starting, 2));
}

#[test]
fn warnings_come_and_go_once() {
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    d.done.clear();
    let warnings = |d: &Drive| -> Vec<Option<Warning>> {
        d.done.iter().filter_map(|a| if let Action::Show(s) = a { Some(s.warning) } else { None }).collect()
    };
    for count in [0, 0, 1, 1] {
        d.event(Event::Analysed(&frame((count > 0).then(|| face(&[])), count)));
    }
    assert_eq!(warnings(&d), [Some(Warning::NoFace), None]);

    d.done.clear();
    let mut near = face(&[]);
    near.landmarks[227] = [0.05, 0.5, 0.0];
    near.landmarks[345] = [0.95, 0.5, 0.0];
    d.event(Event::Analysed(&frame(Some(near), 1)));
    assert_eq!(warnings(&d), [Some(Warning::Width(Extent::TooLarge))]);
    assert!(matches!(d.machine.state(), State::Challenge(0)), "a warning does not pause anything");
}

#[test]
fn several_faces_can_be_watched_or_ignored() {
    for (mode, warned) in [(Mode::Observe, true), (Mode::Off, false)] {
        let mut d =
            Drive::new(Settings { modes: only(Check::SeveralFaces, mode), ..settings() }).to(State::Challenge(0));
        d.done.clear();
        for _ in 0..50 {
            d.event(Event::Analysed(&frame(Some(face(&[])), 2)));
            d.wait(Duration::from_millis(100));
        }
        assert_eq!(d.machine.outcome(), None, "{mode:?}");
        assert_eq!(!d.done.is_empty(), warned, "{mode:?}");
    }
}

#[test]
fn a_glimpse_of_a_second_face_is_forgiven_but_does_not_count() {
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    for _ in 0..15 {
        d.event(Event::Analysed(&frame(Some(face(&[("eyeBlinkLeft", 0.9), ("eyeBlinkRight", 0.9)])), 2)));
        d.wait(Duration::from_millis(100));
    }
    d.show(&[], Duration::from_secs(1));
    assert_eq!((d.machine.outcome(), d.machine.state()), (None, State::Challenge(0)));
}

#[test]
fn the_whole_has_a_limit_also_when_every_part_keeps_its_own() {
    let mut d = Drive::new(Settings { time_limit: Duration::from_secs(12), ..settings() }).to(State::Challenge(0));
    d.show(&[], Duration::from_secs(8));
    d.assert_ended(not(Reason::Deadline), "deadline");
}

#[test]
fn an_empty_challenge_is_nobodys_success() {
    let mut d = Drive::with_challenge(settings(), &[]);
    d.event(Event::RoomJoined);
    d.event(Event::MediaStarted);
    d.wait(Duration::from_secs(6));
    d.assert_ended(not(Reason::Internal), "empty challenge");
}

#[test]
fn media_may_start_before_the_room_says_joined() {
    let mut d = Drive::new(settings());
    d.event(Event::MediaStarted);
    assert_eq!(d.machine.state(), State::Starting);
    d.event(Event::RoomJoined);
    assert_eq!(d.machine.state(), State::Starting);
}

#[test]
fn what_comes_sooner_than_a_person_can_react_does_not_count() {
    let quick = |d: &mut Drive| {
        d.show(&[], Duration::from_millis(100));
        d.show(&[("eyeBlinkLeft", 0.9), ("eyeBlinkRight", 0.9)], Duration::from_millis(200));
        d.show(&[], Duration::from_millis(200));
    };
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    quick(&mut d);
    assert_eq!((d.machine.state(), d.count(&Action::TakePicture)), (State::Challenge(0), 0));
    assert_eq!(d.machine.outcome(), None, "it is not held against anybody");
    d.blink();
    assert_eq!((d.machine.state(), d.count(&Action::TakePicture)), (State::Challenge(1), 1), "it can be done again");

    for (mode, discarded) in [(Mode::Observe, true), (Mode::Off, false)] {
        let mut d =
            Drive::new(Settings { modes: only(Check::ReactionTime, mode), ..settings() }).to(State::Challenge(0));
        quick(&mut d);
        assert_eq!(d.machine.state(), State::Challenge(1), "{mode:?}");
        let score = d.machine.finding(Check::ReactionTime).unwrap().score;
        assert_eq!(score.is_some_and(|score| score < 1.0), discarded, "{mode:?}");
    }
}

#[test]
fn reactions_are_told() {
    let mut d = Drive::new(settings()).to(State::Challenge(0));
    assert_eq!(d.machine.finding(Check::ReactionTime).unwrap().verdict, Verdict::Inconclusive);
    d.blink();
    let finding = d.machine.finding(Check::ReactionTime).unwrap();
    assert_eq!((finding.verdict, finding.score), (Verdict::Passed, Some(1.0)));
    assert_eq!(d.machine.finding(Check::FrozenStream), None, "somebody else's");
}

#[test]
fn how_regular_reactions_are_is_known_of_three() {
    let mut d = Drive::with_challenge(settings(), &["blink", "openCloseMouth", "blink"]).to(State::Challenge(0));
    d.blink();
    d.open_mouth();
    assert_eq!((d.machine.state(), d.machine.reaction_scatter()), (State::Challenge(2), None));
    d.blink();
    assert!(d.machine.reaction_scatter().is_some_and(|scatter| scatter < 0.5));
}

#[test]
fn a_failed_check_decides_where_it_is_enforced() {
    let reasons = [
        (Check::IdentityContinuity, Reason::FaceChanged),
        (Check::Glasses, Reason::Glasses),
        (Check::PassiveLiveness, Reason::SpoofSuspected),
        (Check::FrozenStream, Reason::SpoofSuspected),
    ];
    for (check, reason) in reasons {
        for state in UNDECIDED {
            let strict = Settings { modes: only(check, Mode::Enforce), ..reaching(state) };
            let mut d = Drive::new(strict).to(state);
            d.event(Event::Suspected(check));
            d.assert_ended(not(reason), &format!("{check:?} in {state:?}"));
        }
        for mode in [Mode::Observe, Mode::Off] {
            let mut d = Drive::new(Settings { modes: only(check, mode), ..settings() }).to(State::Challenge(0));
            d.event(Event::Suspected(check));
            assert_eq!(d.machine.outcome(), None, "{check:?} {mode:?}");
        }
    }
    let mut d = Drive::new(Settings { modes: Modes::new(Profile::Strict, |_| None), ..settings() });
    d.event(Event::Suspected(Check::InjectionHints));
    assert_eq!(d.machine.outcome(), None, "hints never decide");
}

#[test]
fn who_is_back_at_once_and_is_the_same_goes_on() {
    let mut d = Drive::new(settings()).to(State::Resuming(1));
    assert_eq!((d.count(&Action::Confirm), d.count(&Action::Begin)), (1, 1));
    d.event(Event::Confirmed(true));
    assert_eq!(d.machine.state(), State::Challenge(1));
    d.open_mouth();
    assert_eq!((d.machine.state(), d.count(&Action::TakePicture)), (State::Matching, 2));
    assert_eq!(*d.draws.lock().unwrap(), 1, "one challenge");
}

#[test]
fn who_is_back_begins_anew_otherwise() {
    let begins_anew = |mut d: Drive, context: &str| {
        assert_eq!(d.machine.state(), State::Starting, "{context}");
        assert_eq!((d.count(&Action::Begin), *d.draws.lock().unwrap()), (2, 2), "{context}");
        d.show(&[], Duration::from_secs(5));
        assert_eq!(d.machine.state(), State::Challenge(0), "{context}");
    };
    let mut d = Drive::new(settings()).to(State::Resuming(1));
    d.event(Event::Confirmed(false));
    begins_anew(d, "somebody else");

    let mut d = Drive::new(settings()).to(State::Resuming(1));
    d.show(&[], RESUME_LIMIT);
    begins_anew(d, "nobody could tell");

    let mut d = Drive::new(settings()).to(State::Challenge(1));
    d.event(Event::SubjectLeft);
    d.wait(RECONNECT_LIMIT);
    d.event(Event::MediaStarted);
    begins_anew(d, "away for too long");

    let off = Settings { modes: only(Check::IdentityContinuity, Mode::Off), ..settings() };
    let mut d = Drive::new(off).to(State::Challenge(1));
    d.event(Event::SubjectLeft);
    d.event(Event::MediaStarted);
    begins_anew(d, "nobody looks");

    let mut d = Drive::new(settings()).to(State::Resuming(1));
    d.event(Event::SubjectLeft);
    d.wait(Duration::from_secs(1));
    d.event(Event::MediaStarted);
    assert_eq!(d.machine.state(), State::Resuming(1), "a short gap after a short gap");
}

#[test]
fn colours_come_after_the_gestures() {
    let mut d = Drive::new(reaching(State::Colours)).to(State::Colours);
    assert_eq!((d.count(&Action::FlashColours), d.count(&Action::Match)), (1, 0));
    d.event(Event::ColoursSeen(Verdict::Passed));
    assert_eq!((d.machine.state(), d.count(&Action::Match)), (State::Matching, 1));

    let mut d = Drive::new(reaching(State::Colours)).to(State::Colours);
    d.show(&[], Duration::from_secs(6));
    assert_eq!(d.machine.state(), State::Matching, "what nobody could see proves nothing");
}

#[test]
fn colours_that_tell_nothing_are_shown_once_more() {
    let enforced = |required| {
        let modes = Modes::default().with(Check::ColourChallenge, Mode::Enforce);
        let colours = Some(ColourChallenge { limit: Duration::from_secs(6), required });
        Drive::new(Settings { modes, colours, ..settings() }).to(State::Colours)
    };
    let mut d = enforced(false);
    d.event(Event::ColoursSeen(Verdict::Inconclusive));
    assert_eq!((d.machine.state(), d.count(&Action::FlashColours), d.count(&Action::Match)), (State::Colours, 2, 0));
    d.event(Event::ColoursSeen(Verdict::Inconclusive));
    assert_eq!((d.count(&Action::FlashColours), d.count(&Action::Match)), (2, 1), "they go on without");

    let mut d = enforced(true);
    d.show(&[], Duration::from_secs(6));
    assert_eq!(d.count(&Action::FlashColours), 2, "what nobody could see tells nothing either");
    d.event(Event::ColoursSeen(Verdict::Inconclusive));
    assert_eq!(d.machine.outcome(), Some(Outcome::NotVerified(Reason::LivenessUnclear)));
    assert_eq!(d.count(&Action::Match), 0);

    let mut d = enforced(true);
    d.event(Event::ColoursSeen(Verdict::Inconclusive));
    d.event(Event::ColoursSeen(Verdict::Passed));
    assert_eq!((d.machine.state(), d.count(&Action::Match)), (State::Matching, 1));

    let mut d = Drive::new(reaching(State::Colours)).to(State::Colours);
    d.event(Event::ColoursSeen(Verdict::Inconclusive));
    assert_eq!(d.count(&Action::FlashColours), 1, "who only observes asks for nothing twice");
}

#[test]
fn a_notice_is_shown_where_there_is_no_other_warning() {
    let mut d = Drive::new(settings()).to(State::Starting);
    d.done.clear();
    d.event(Event::Noticed(Some(Warning::Glasses)));
    d.event(Event::Analysed(&frame(Some(face(&[])), 1)));
    d.event(Event::Analysed(&frame(None, 0)));
    d.event(Event::Noticed(None));
    d.event(Event::Analysed(&frame(Some(face(&[])), 1)));
    let warnings: Vec<_> =
        d.done.iter().filter_map(|a| if let Action::Show(scene) = a { Some(scene.warning) } else { None }).collect();
    assert_eq!(warnings, [Some(Warning::Glasses), Some(Warning::NoFace), None]);
}
