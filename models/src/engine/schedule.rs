//! Who is served next: pure bookkeeping, without threads, networks or time.
//!
//! * A stream has at most one frame waiting: a newer one replaces it, the older one is counted as dropped.
//! * A stream has at most one frame being worked on, so that its frames stay in order and its tracker has one user.
//! * Streams that have a frame stand in one line. All single jobs together stand in it as one stream would: neither
//!   can starve the other, whatever the other's load is.
//! * Streams that stand one behind the other can be served together, as a batch.

use std::collections::{HashMap, VecDeque};

/// Names a stream of a [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u64);

/// Newest frames, each of another stream.
pub type Batch<F> = Vec<(StreamId, F)>;

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<F, J> {
    /// At least one frame; [`Schedule::done`] says, for each stream, when it is finished.
    Frames(Batch<F>),
    /// A single job.
    Job(J),
}

#[derive(Debug)]
enum Place {
    Stream(StreamId),
    Jobs,
}

#[derive(Debug)]
struct Slot<F> {
    waiting: Option<F>,
    busy: bool,
}

/// Streams, their newest frames, single jobs, and their order.
#[derive(Debug)]
pub struct Schedule<F, J> {
    streams: HashMap<StreamId, Slot<F>>,
    jobs: VecDeque<J>,
    line: VecDeque<Place>,
    opened: u64,
}

impl<F, J> Default for Schedule<F, J> {
    fn default() -> Self {
        Self { streams: HashMap::new(), jobs: VecDeque::new(), line: VecDeque::new(), opened: 0 }
    }
}

impl<F, J> Schedule<F, J> {
    /// A new stream.
    pub fn open(&mut self) -> StreamId {
        self.opened += 1;
        let id = StreamId(self.opened);
        self.streams.insert(id, Slot { waiting: None, busy: false });
        id
    }

    /// Forgets a stream; hands back the frame that was waiting.
    pub fn close(&mut self, id: StreamId) -> Option<F> {
        // Its place in the line is skipped when its turn comes.
        self.streams.remove(&id)?.waiting
    }

    /// A new frame of a stream; hands back the one that it replaces, or the frame itself when the stream is closed.
    pub fn submit(&mut self, id: StreamId, frame: F) -> Option<F> {
        let Some(slot) = self.streams.get_mut(&id) else { return Some(frame) };
        let replaced = slot.waiting.replace(frame);
        if replaced.is_none() && !slot.busy {
            self.line.push_back(Place::Stream(id));
        }
        replaced
    }

    /// A new single job.
    pub fn add_job(&mut self, job: J) {
        if self.jobs.is_empty() {
            self.line.push_back(Place::Jobs);
        }
        self.jobs.push_back(job);
    }

    /// What to do next, if anything: a job, or the frames of up to `most` streams.
    pub fn next(&mut self, most: usize) -> Option<Turn<F, J>> {
        loop {
            if let Some(Place::Jobs) = self.line.front() {
                self.line.pop_front();
                let Some(job) = self.jobs.pop_front() else { continue };
                if !self.jobs.is_empty() {
                    self.line.push_back(Place::Jobs);
                }
                return Some(Turn::Job(job));
            }
            let mut batch = Vec::new();
            self.fill(&mut batch, most.max(1));
            if !batch.is_empty() {
                return Some(Turn::Frames(batch));
            }
            self.line.front()?;
        }
    }

    /// Adds the frames of the streams that stand in front to a batch, up to `most` in all. True when it is worth waiting
    /// for more: there is room, no job stands in the line, and a stream is left whose frame could still come.
    pub fn fill(&mut self, batch: &mut Batch<F>, most: usize) -> bool {
        while batch.len() < most
            && let Some(&Place::Stream(id)) = self.line.front()
        {
            self.line.pop_front();
            let Some(slot) = self.streams.get_mut(&id) else { continue };
            let Some(frame) = slot.waiting.take() else { continue };
            slot.busy = true;
            batch.push((id, frame));
        }
        batch.len() < most && self.line.is_empty() && self.streams.values().any(|slot| !slot.busy)
    }

    /// Whether somebody stands in the line.
    pub fn is_waiting(&self) -> bool {
        !self.line.is_empty()
    }

    /// The frame of a stream that [`Schedule::next`] gave is finished. True when another one is waiting.
    pub fn done(&mut self, id: StreamId) -> bool {
        let Some(slot) = self.streams.get_mut(&id) else { return false };
        slot.busy = false;
        if slot.waiting.is_some() {
            self.line.push_back(Place::Stream(id));
        }
        slot.waiting.is_some()
    }

    /// Jobs whose turn has not come.
    #[cfg(test)]
    pub fn waiting_jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Forgets all frames and jobs that wait, and hands them back.
    pub fn clear(&mut self) -> (Vec<F>, Vec<J>) {
        self.line.clear();
        let frames = self.streams.values_mut().filter_map(|slot| slot.waiting.take()).collect();
        (frames, self.jobs.drain(..).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Plan = Schedule<&'static str, u32>;

    fn drain(plan: &mut Plan) -> Vec<Turn<&'static str, u32>> {
        std::iter::from_fn(|| {
            let turn = plan.next(1)?;
            if let Turn::Frames(batch) = &turn {
                batch.iter().for_each(|(id, _)| {
                    plan.done(*id);
                });
            }
            Some(turn)
        })
        .collect()
    }

    #[test]
    fn the_newest_frame_wins() {
        let mut plan = Plan::default();
        let stream = plan.open();
        assert_eq!(plan.submit(stream, "a"), None);
        assert_eq!(plan.submit(stream, "b"), Some("a"));
        assert_eq!(plan.submit(stream, "c"), Some("b"));
        assert_eq!(drain(&mut plan), [Turn::Frames(vec![(stream, "c")])]);
        assert_eq!(plan.next(1), None);
    }

    #[test]
    fn a_stream_is_never_worked_on_twice_at_once() {
        let mut plan = Plan::default();
        let stream = plan.open();
        plan.submit(stream, "a");
        assert_eq!(plan.next(1), Some(Turn::Frames(vec![(stream, "a")])));
        plan.submit(stream, "b");
        plan.submit(stream, "c");
        assert_eq!(plan.next(1), None, "the stream is busy");
        assert!(plan.done(stream));
        assert_eq!(plan.next(1), Some(Turn::Frames(vec![(stream, "c")])));
        assert!(!plan.done(stream));
    }

    #[test]
    fn streams_take_turns_however_fast_one_of_them_is() {
        let mut plan = Plan::default();
        let streams: Vec<_> = (0..3).map(|_| plan.open()).collect();
        let mut served = [0; 3];
        for round in 0..300 {
            // The first stream submits before every turn, the others every third.
            plan.submit(streams[0], "fast");
            if round % 3 == 0 {
                plan.submit(streams[1], "slow");
                plan.submit(streams[2], "slow");
            }
            let Some(Turn::Frames(batch)) = plan.next(1) else { panic!("there is work") };
            let [(id, _)] = batch[..] else { panic!("one is one") };
            served[streams.iter().position(|s| *s == id).unwrap()] += 1;
            plan.done(id);
        }
        assert_eq!(served, [100, 100, 100]);
    }

    #[test]
    fn jobs_and_streams_share() {
        let mut plan = Plan::default();
        let (a, b) = (plan.open(), plan.open());
        for job in 0..4 {
            plan.add_job(job);
        }
        let mut order = Vec::new();
        for _ in 0..9 {
            plan.submit(a, "a");
            plan.submit(b, "b");
            match plan.next(1).unwrap() {
                Turn::Frames(batch) => {
                    for (id, frame) in batch {
                        order.push(frame.to_owned());
                        plan.done(id);
                    }
                }
                Turn::Job(job) => order.push(job.to_string()),
            }
        }
        assert_eq!(order, ["0", "a", "b", "1", "a", "b", "2", "a", "b"]);
    }

    #[test]
    fn a_closed_stream_is_forgotten_wherever_it_stands() {
        let mut plan = Plan::default();
        let (a, b) = (plan.open(), plan.open());
        plan.submit(a, "a");
        plan.submit(b, "b");
        assert_eq!(plan.close(a), Some("a"));
        assert_eq!(plan.next(1), Some(Turn::Frames(vec![(b, "b")])));
        plan.submit(b, "later");
        assert_eq!(plan.close(b), Some("later"), "closed in the middle of its work");
        assert!(!plan.done(b));
        assert_eq!(plan.submit(b, "late"), Some("late"));
        assert_eq!(plan.next(1), None);
    }

    #[test]
    fn clearing_hands_everything_back() {
        let mut plan = Plan::default();
        let stream = plan.open();
        plan.submit(stream, "a");
        plan.add_job(1);
        plan.add_job(2);
        assert_eq!(plan.clear(), (vec!["a"], vec![1, 2]));
        assert_eq!(plan.next(1), None);
        plan.submit(stream, "b");
        plan.add_job(3);
        assert_eq!(drain(&mut plan), [Turn::Frames(vec![(stream, "b")]), Turn::Job(3)]);
    }

    #[test]
    fn a_batch_takes_who_stands_in_front() {
        let mut plan = Plan::default();
        let streams: Vec<_> = (0..5).map(|_| plan.open()).collect();
        for stream in &streams {
            plan.submit(*stream, "a");
        }
        plan.submit(streams[1], "newer");
        let expected = [(0, "a"), (1, "newer"), (2, "a")].map(|(index, frame)| (streams[index], frame));
        assert_eq!(plan.next(3), Some(Turn::Frames(expected.to_vec())));
        // Busy streams stand behind the others again.
        plan.submit(streams[0], "b");
        plan.done(streams[0]);
        let expected = [(3, "a"), (4, "a"), (0, "b")].map(|(index, frame)| (streams[index], frame));
        assert_eq!(plan.next(8), Some(Turn::Frames(expected.to_vec())));
        assert_eq!(plan.next(8), None);
    }

    #[test]
    fn a_job_ends_a_batch_and_is_next() {
        let mut plan = Plan::default();
        let (a, b) = (plan.open(), plan.open());
        plan.submit(a, "a");
        plan.add_job(1);
        plan.add_job(2);
        plan.submit(b, "b");
        assert_eq!(plan.next(8), Some(Turn::Frames(vec![(a, "a")])));
        assert_eq!(plan.next(8), Some(Turn::Job(1)));
        assert_eq!(plan.next(8), Some(Turn::Frames(vec![(b, "b")])));
        assert_eq!(plan.next(8), Some(Turn::Job(2)));
    }

    #[test]
    fn waiting_for_more_is_worth_it_while_somebody_could_come() {
        let mut plan = Plan::default();
        let (a, b) = (plan.open(), plan.open());
        plan.submit(a, "a");
        let Some(Turn::Frames(mut batch)) = plan.next(2) else { panic!("there is work") };
        assert!(plan.fill(&mut batch, 2), "the other stream could still come");
        assert!(!plan.fill(&mut batch, 1), "no room");
        plan.add_job(1);
        assert!(!plan.fill(&mut batch, 2), "a job waits");
        assert_eq!(plan.next(2), Some(Turn::Job(1)));
        plan.submit(b, "b");
        assert!(!plan.fill(&mut batch, 2), "full");
        assert_eq!(batch, [(a, "a"), (b, "b")]);
        assert!(!plan.fill(&mut batch, 8), "everybody is being served");
        plan.done(a);
        assert!(plan.fill(&mut batch, 8));
    }
}
