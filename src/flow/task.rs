//! The owner task of a flow: carries out what the state machine asks for, and tells it what came of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use vision_core::liveness::colour::Judgement;
use vision_core::liveness::{self, Check};
use vision_core::picture::Picture;
use vision_models::engine::{EngineError, FaceStream, StreamOptions, StreamResult};
use vision_models::landmarker::TrackerOptions;

use super::attention::Attention;
use super::colours::Colours;
use super::gathering::{Gathering, Seen, Wanted};
use super::outcome::{Outcome, Reason};
use super::registry::Admission;
use super::result;
use super::setup::{frame_sink, settings};
use super::state::{Action, Drawn, Event, Machine, Scene, Stage, State};
use super::verify;
use super::watch::inspection::{Inspected, Inspection};
use super::watch::{self, Watch};
use super::words::Words;
use crate::app::Services;
use crate::controller::Verdict;
use crate::debug::graphs::DotFolder;
use crate::debug::probe::FlowProbe;
use crate::debug::settings::DebugSettings;
use crate::evidence::Keeper;
use crate::http::join_call::JoinCall;
use crate::lock::lock;
use crate::media::Observers;
use crate::media::screen::{Screen, ScreenOptions};
use crate::redact::shorten;
use crate::room::{InputOptions, Plugs, RoomEvent, RoomLink};

/// Limit for leaving a room.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// How much of the time for stopping is left to the report.
const SHUTDOWN_REPORT_SHARE: f32 = 0.8;

/// Runs a flow from its acceptance to its end.
pub async fn run(services: Arc<Services>, call: JoinCall, admission: Admission, stop: CancellationToken) {
    Task::new(services, call, admission).run(stop).await;
}

/// Work that goes on beside the task.
enum Done {
    Joined(Result<RoomLink, crate::room::RoomError>),
    Matched(Result<bool, Reason>),
    Reported(bool),
    Inspected(Box<Inspected>),
    ColoursJudged(Option<Judgement>),
    Left,
}

struct Task {
    services: Arc<Services>,
    call: JoinCall,
    admission: Admission,
    machine: Machine,
    words: Words,
    screen: Option<Screen>,
    faces: Option<Arc<FaceStream>>,
    analyses: mpsc::Receiver<StreamResult>,
    attention: Arc<Mutex<Attention>>,
    watch: Watch,
    colours: Option<Colours>,
    gathering: Gathering,
    /// The place in the challenge of the gesture that is asked for.
    asked: Option<usize>,
    /// The last scene, for when only its light changes.
    scene: Option<Scene>,
    room: Option<RoomLink>,
    work: JoinSet<Done>,
    pictures: Vec<Arc<dyn Picture>>,
    probe: FlowProbe,
    /// As they were when the flow began.
    switches: Option<DebugSettings>,
    dots: Option<DotFolder>,
    stopping: bool,
}

impl Task {
    fn new(services: Arc<Services>, call: JoinCall, admission: Admission) -> Self {
        let config = &services.config;
        let (sender, analyses) = mpsc::channel(4);
        let looks_for_more = config.liveness.modes.looks_at(Check::SeveralFaces);
        let face_count_interval = looks_for_more.then_some(config.analysis.face_count_interval);
        let stream = StreamOptions { tracker: TrackerOptions { face_count_interval } };
        let watch = Watch::new(config.liveness.modes, config.liveness.inspection_rate, services.engine.clone());
        let passive = watch.passive();
        let report = Box::new(move |result: Result<StreamResult, EngineError>| match result {
            Ok(result) => {
                if let (Some(passive), Some(face)) = (&passive, &result.analysis.face) {
                    watch::look(passive, &*result.picture, face);
                }
                // A result that finds the channel full is a frame more than the flow can use.
                drop(sender.try_send(result));
            }
            Err(e) => tracing::warn!("a frame could not be analysed: {e}"),
        });
        let faces = services.engine.stream(stream, report);
        let faces = Arc::new(faces);
        let probe = FlowProbe { faces: Arc::downgrade(&faces), ..FlowProbe::default() };
        let debug = services.debug.clone();
        if debug.is_some() {
            admission.expose(probe.clone());
        }
        let attention = Attention::new(config.analysis.max_rate, config.analysis.idle_rate);
        let media = &config.media;
        let screen = Screen::start(ScreenOptions {
            limit: (media.width, media.height),
            framerate: media.framerate,
            observer: debug.as_ref().map(|debug| debug.output_tap(admission.id())),
        });
        let pool = services.challenges.clone();
        let draw = Box::new(move || {
            let drawn = pool.draw(getrandom::fill).unwrap_or_default();
            drawn.into_iter().map(|gesture| Drawn { gesture, random: random() }).collect()
        });
        let switches = debug.map(|debug| debug.settings());
        let words = Words::new(&services.locales, call.lang.as_deref());
        let settings = settings(config, &call, switches);
        let keeper = services.keeper.as_ref().filter(|_| call.evidence);
        let wanted = Wanted {
            evidence: keeper.is_some(),
            best_shot: config.callbacks.jwt && config.callbacks.bestshot,
            video: keeper.and_then(Keeper::video),
            mirror_input: settings.mirror_input,
        };
        Self {
            gathering: Gathering::new(wanted),
            machine: Machine::new(settings, draw, Instant::now()),
            words,
            screen: Some(screen),
            faces: Some(faces),
            analyses,
            attention: Arc::new(Mutex::new(attention)),
            watch,
            colours: None,
            asked: None,
            scene: None,
            room: None,
            work: JoinSet::new(),
            pictures: Vec::new(),
            dots: config.debug.dot_folder.as_deref().map(|folder| DotFolder::new(folder, admission.id())),
            probe,
            switches,
            stopping: false,
            services,
            call,
            admission,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        self.join();
        while self.machine.state() != State::Ended {
            let due = self.machine.next_deadline();
            let timer = async {
                match due {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let room = async {
                match &mut self.room {
                    Some(room) => room.next_event().await,
                    None => std::future::pending().await,
                }
            };
            let light = async {
                match self.colours.as_ref().and_then(Colours::next_change) {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut analysed = None;
            let event = tokio::select! {
                () = stop.cancelled(), if !self.stopping => {
                    self.stopping = true;
                    Event::Shutdown
                }
                event = room => match event {
                    RoomEvent::MediaStarted => Event::MediaStarted,
                    RoomEvent::SubjectJoined => continue,
                    RoomEvent::Camera(label) => {
                        self.watch.camera(label.as_str());
                        Event::Tick
                    }
                    RoomEvent::SubjectLeft => {
                        self.watch.interrupt();
                        Event::SubjectLeft
                    }
                    RoomEvent::Interrupted => {
                        self.watch.interrupt();
                        Event::RoomLost
                    }
                    RoomEvent::Restored => Event::RoomBack,
                    RoomEvent::Closed => Event::RoomClosed,
                },
                Some(result) = self.analyses.recv() => {
                    self.probe.counters.analysed(&result);
                    if let Some(colours) = &mut self.colours {
                        colours.frame(&result);
                    }
                    self.gathering.note(Seen::Analysed(&result));
                    let inspection = self.watch.analysed(&result);
                    self.inspect(inspection);
                    Event::Analysed(&analysed.insert(result).analysis)
                }
                Some(done) = self.work.join_next() => self.take_in(done),
                () = light => {
                    self.change_light();
                    continue;
                }
                () = timer => Event::Tick,
            };
            let actions = self.machine.handle(event, Instant::now());
            self.carry_out_all(actions, analysed.as_ref());
            if let Some(notice) = self.watch.notice() {
                let actions = self.machine.handle(Event::Noticed(notice), Instant::now());
                self.carry_out_all(actions, None);
            }
            self.suspect();
            if self.machine.state() != State::Colours {
                self.colours = None;
            }
            lock(&self.attention).set(self.machine.need());
            self.publish();
        }
        let outcome = self.machine.outcome().map(|o| o.to_string()).unwrap_or_default();
        tracing::info!(flow = %self.admission.id(), outcome, "flow ended");
        self.gathering.keep(&self.services, &self.admission).await;
    }

    fn carry_out_all(&mut self, actions: Vec<Action>, analysed: Option<&StreamResult>) {
        for action in actions {
            self.carry_out(action, analysed);
        }
    }

    /// Tells the machine of checks that have failed.
    fn suspect(&mut self) {
        while let Some(check) = self.watch.suspicion() {
            tracing::info!(flow = %self.admission.id(), check = check.as_str(), "a liveness check has failed");
            let actions = self.machine.handle(Event::Suspected(check), Instant::now());
            self.carry_out_all(actions, None);
        }
    }

    /// The next colour is due, or all are over.
    fn change_light(&mut self) {
        let Some(colours) = &mut self.colours else { return };
        colours.change(Instant::now());
        if !colours.is_over() {
            self.show(None);
        } else if let Some(colours) = self.colours.take() {
            let least_contrast = self.services.config.liveness.colour_least_contrast;
            self.work.spawn_blocking(move || Done::ColoursJudged(colours.judge(least_contrast)));
        }
    }

    /// Shows the present scene. `cause` is when that happened which it answers.
    fn show(&mut self, cause: Option<Instant>) {
        let (Some(screen), Some(scene)) = (&self.screen, &self.scene) else { return };
        let view = self.words.view(scene);
        let lit = self.colours.as_ref().filter(|_| scene.stage == Stage::Colours);
        let view = match lit {
            Some(colours) => self.words.lit(view, colours.shown()),
            None => view,
        };
        screen.show(view, cause);
    }

    /// Looks closely at a frame, where that may wait.
    fn inspect(&mut self, inspection: Option<Inspection>) {
        if let Some(inspection) = inspection {
            self.work.spawn_blocking(move || Done::Inspected(Box::new(inspection.run())));
        }
    }

    /// Turns finished work into an event.
    fn take_in(&mut self, done: Result<Done, tokio::task::JoinError>) -> Event<'static> {
        match done {
            Ok(Done::Joined(Ok(link))) => {
                self.room = Some(link);
                Event::RoomJoined
            }
            Ok(Done::Joined(Err(e))) => {
                tracing::warn!(flow = %self.admission.id(), "cannot join {}: {e}", self.call.room);
                Event::RoomUnreachable
            }
            Ok(Done::Matched(result)) => {
                let scores = self.watch.pictures().iter().filter_map(|picture| picture.scores);
                let lowest_ags = scores.map(|scores| scores.ags).min_by(f32::total_cmp);
                tracing::info!(
                    flow = %self.admission.id(),
                    pictures = self.watch.pictures().len(),
                    lowest_ags = lowest_ags.map(tracing::field::display),
                    "how good the subject's pictures were"
                );
                Event::Matched(result)
            }
            Ok(Done::Reported(delivered)) => {
                self.admission.update(|s| s.reported = Some(delivered));
                Event::Reported
            }
            Ok(Done::Inspected(inspected)) => {
                self.gathering.note(Seen::Inspected(&inspected, &self.watch));
                let next = self.watch.inspected(*inspected);
                self.inspect(next);
                match self.watch.is_same() {
                    Some(same) if matches!(self.machine.state(), State::Resuming(_)) => Event::Confirmed(same),
                    _ => Event::Tick,
                }
            }
            Ok(Done::ColoursJudged(judgement)) => {
                tracing::debug!(flow = %self.admission.id(), ?judgement, "the colours are over");
                if self.colours.is_some() {
                    // of those before, which came too late
                    return Event::Tick;
                }
                let verdict =
                    judgement.map_or(liveness::Verdict::Inconclusive, |judgement| judgement.finding().verdict);
                self.watch.colours_judged(judgement);
                self.suspect();
                Event::ColoursSeen(verdict)
            }
            Ok(Done::Left) => Event::Left,
            Err(e) => {
                tracing::error!(flow = %self.admission.id(), "a part of the flow failed: {e}");
                Event::Fault
            }
        }
    }

    fn carry_out(&mut self, action: Action, analysed: Option<&StreamResult>) {
        match action {
            Action::Show(scene) => {
                let gesture = match &scene.stage {
                    Stage::Gesture { gesture, index, .. } => Some((gesture.clone(), *index)),
                    _ => None,
                };
                if gesture.as_ref().map(|(_, index)| *index) != self.asked {
                    self.asked = gesture.as_ref().map(|(_, index)| *index);
                    self.watch.gesture(gesture.as_ref().map(|(gesture, _)| &**gesture));
                    self.gathering.note(Seen::Asked(gesture.map(|(gesture, _)| gesture)));
                }
                self.scene = Some(scene);
                self.show(analysed.map(|result| result.submitted));
            }
            Action::TakePicture => {
                if let Some(result) = analysed {
                    self.pictures.push(result.picture.clone());
                    self.gathering.note(Seen::Picture(result));
                    let inspection = self.watch.picture_taken(result);
                    self.inspect(inspection);
                }
            }
            Action::Begin => {
                self.pictures.clear();
                self.watch.begin();
                self.gathering.note(Seen::Begin);
            }
            // Answered when frames have been looked at.
            Action::Confirm => self.watch.resume(),
            Action::FlashColours => match Colours::begin(Instant::now(), getrandom::fill) {
                Ok(colours) => {
                    self.colours = Some(colours);
                    self.gathering.note(Seen::Colours);
                }
                // The machine goes on when their time is over.
                Err(e) => tracing::error!("no colours can be drawn: {e}"),
            },
            Action::Match => {
                self.watch.conclude();
                self.suspect();
                if self.machine.outcome().is_none() {
                    self.compare();
                }
            }
            Action::Report(outcome) => self.report(outcome),
            Action::Leave => self.leave(),
            Action::End => {}
        }
    }

    fn join(&mut self) {
        let (services, url) = (self.services.clone(), self.call.room.clone());
        let (Some(screen), Some(faces)) = (&self.screen, &self.faces) else { return };
        let (attention, counters) = (self.attention.clone(), self.probe.counters.clone());
        let on_frame = frame_sink(screen.sink(), faces.clone(), attention, self.watch.log(), counters);
        let plugs = Plugs {
            on_frame: match &self.services.debug {
                Some(debug) => debug.input_tap(self.admission.id(), on_frame),
                None => on_frame,
            },
            observers: Observers { encoded: self.watch.encoded(), tape: self.gathering.tape() },
            screen: screen.outlet(),
            lang: self.words.language().to_owned(),
            peers: self.probe.peers.clone(),
            dots: self.dots.clone(),
        };
        let mut options = crate::room::options(&self.services.config);
        if let Some(switches) = &self.switches {
            options.input = InputOptions {
                turned: switches.rotate_input_image,
                without_orientation: switches.remove_video_orientation,
            };
        }
        self.work.spawn(async move { Done::Joined(services.rooms.join(&url, plugs, options).await) });
    }

    fn compare(&mut self) {
        let pictures = std::mem::take(&mut self.pictures);
        let (services, call) = (self.services.clone(), self.call.clone());
        let (id, deadline) = (self.admission.id(), self.machine.deadline());
        self.work
            .spawn(async move { Done::Matched(verify::same_person(&services, &call, id, &pictures, deadline).await) });
    }

    fn report(&mut self, outcome: Outcome) {
        tracing::info!(flow = %self.admission.id(), token = shorten(&self.call.token), "decided: {outcome}");
        let verdict = if outcome.is_success() { Verdict::Success } else { Verdict::Failure };
        let (services, call, id) = (self.services.clone(), self.call.clone(), self.admission.id().to_string());
        let config = &services.config;
        let retry_for = match self.stopping {
            true => config.flow.shutdown_limit.mul_f32(SHUTDOWN_REPORT_SHARE),
            false => config.controller.retry_for,
        };
        if let Some(room) = &self.room {
            room.announce(
                outcome.is_success(),
                outcome.reason().map_or("", Reason::as_str),
                &self.words.outcome(outcome),
            );
        }
        let claims = services.signing.is_some().then(|| {
            let checks = self.watch.statuses(|check| self.machine.finding(check));
            result::claims(&services, self.admission.id(), outcome, &checks)
        });
        let best_shot = self.gathering.decide().filter(|_| config.callbacks.bestshot);
        self.work.spawn(async move {
            let jwt = match claims {
                Some(claims) => result::sign(&services, claims, best_shot).await,
                None => None,
            };
            let (base, jwt) = (&call.callback_base_url, jwt.as_deref());
            let report = services.controller.report(base, &call.token, &id, verdict, retry_for, jwt).await;
            if let Err(e) = &report {
                tracing::error!(flow = id, "the outcome could not be delivered: {e}");
            }
            Done::Reported(report.is_ok())
        });
    }

    /// Leaves the room and lets go of everything that the call needed.
    fn leave(&mut self) {
        let (room, screen) = (self.room.take(), self.screen.take());
        self.faces = None;
        self.pictures.clear();
        self.gathering.finish();
        self.admission.release_media();
        let reason = self.machine.outcome().and_then(Outcome::reason).filter(|reason| !reason.is_rejection());
        let failure = self.dots.take().zip(reason);
        let peers = self.probe.peers.clone();
        self.work.spawn(async move {
            if let Some((dots, reason)) = failure {
                dots.write(peers.probes(), reason.as_str()).await;
            }
            if let Some(room) = room
                && timeout(LEAVE_LIMIT, room.leave()).await.is_err()
            {
                tracing::warn!("leaving a room took too long; it is left behind");
            }
            drop(screen);
            Done::Left
        });
    }

    /// Makes the present state visible to `GET /flows/{id}`.
    fn publish(&mut self) {
        if let Some(reaction) = self.screen.as_ref().and_then(Screen::take_reaction) {
            self.machine.reacted(reaction);
        }
        let machine = &self.machine;
        self.watch.reactions(machine.reaction_scatter());
        let checks = self.watch.statuses(|check| machine.finding(check));
        let first_text = self.screen.as_ref().and_then(Screen::first_text_after);
        self.admission.update(|status| {
            status.state = machine.state().as_str();
            let gesture = machine.gesture();
            status.gesture = gesture.map(|(id, ..)| id.to_owned());
            status.step = gesture.map(|(_, index, _)| index + 1);
            status.steps = gesture.map(|(.., total)| total);
            status.outcome = machine.outcome().map(Outcome::as_str);
            status.reason = machine.outcome().and_then(Outcome::reason);
            status.checks = checks;
            status.pictures = self.watch.pictures().to_vec();
            status.timings = machine.timeline().moments().clone();
            if let Some(after) = first_text {
                status.first_text_after_ms = Some(after.as_millis() as u64);
            }
        });
    }
}

fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
