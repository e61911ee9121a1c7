//! What joins and leaves of a mediasoup room leave behind: nothing that grows.

use std::collections::BTreeMap;
use std::time::Duration;

use gst::prelude::*;
use vision_service::media::Codec;

use crate::support::mediasoup::{join, options, server, subject};
use crate::support::process::{Holdings, is_alone_with, settled};
use crate::support::room_server::{RoomServer, RoomServerOptions};

/// GStreamer counts its objects when this is in the environment before it starts.
const TRACER: (&str, &str) = ("GST_TRACERS", "leaks");

/// As the service sets its allocator up (`memory::set_up_allocator`), and few arenas: what each thread keeps for itself is
/// no leak.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];

/// Live objects by type.
type Objects = BTreeMap<String, i64>;

/// Counts what GStreamer makes and frees. (The tracer's list of live objects would be simpler; in GStreamer 1.22 it takes
/// references away that it never took.)
struct Counter {
    tracer: gst::Tracer,
    live: Objects,
}

impl Counter {
    fn start() -> Self {
        let is_leaks = |tracer: &gst::Tracer| tracer.type_().name() == "GstLeaksTracer";
        let tracer = gst::active_tracers().into_iter().find(is_leaks).expect("the tracer runs");
        tracer.emit_by_name::<()>("activity-start-tracking", &[]);
        Self { tracer, live: Objects::new() }
    }

    /// Those that live now and did not when the counting began.
    fn live(&mut self) -> Objects {
        let activity: gst::Structure = self.tracer.emit_by_name("activity-get-checkpoint", &[]);
        for (field, step) in [("objects-created-list", 1), ("objects-removed-list", -1)] {
            for object in activity.get::<gst::List>(field).unwrap().iter() {
                let kind = object.get::<gst::Structure>().unwrap().get::<String>("type-name").unwrap();
                *self.live.entry(kind).or_default() += step;
            }
        }
        self.live.retain(|_, count| *count != 0);
        self.live.clone()
    }
}

/// What there is more of.
fn more(early: &Objects, late: &Objects) -> Objects {
    let more = |(kind, count): (&String, &i64)| {
        let more = count - early.get(kind).unwrap_or(&0);
        (more > 0).then(|| (kind.clone(), more))
    };
    late.iter().filter_map(more).collect()
}

fn resident_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Codecs take turns.
async fn join_and_leave(server: &RoomServer, times: usize) -> Holdings {
    for n in 0..times {
        let codec = Codec::ALL[n % 2];
        let mut call = join(&server.url("r", "vision"), options(&[codec])).await.unwrap();
        let (visitor, _) = subject(server.url("r", "subject"), codec).await;
        call.media().await;
        visitor.leave().await;
        call.link.leave().await;
    }
    settled().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_joins_leave_no_objects_behind() {
    if !is_alone_with("leaks_mediasoup::a_hundred_joins_leave_no_objects_behind", &[TRACER]) {
        return;
    }
    let server = server(RoomServerOptions::default()).await;
    let mut counter = Counter::start();
    join_and_leave(&server, 20).await;
    let early = counter.live();
    join_and_leave(&server, 80).await;
    // What a busy machine has not yet taken down is no leak.
    let mut late = counter.live();
    for _ in 0..100 {
        if more(&early, &late).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        late = counter.live();
    }
    println!("what stays after 20 joins: {early:?}; after 100: {late:?}");
    assert_eq!(more(&early, &late), Objects::new(), "GStreamer objects that live after 100 joins and not after 20");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_joins_leave_no_threads_descriptors_or_memory_behind() {
    let name = "leaks_mediasoup::a_hundred_joins_leave_no_threads_descriptors_or_memory_behind";
    if !is_alone_with(name, &ALLOCATOR) {
        return;
    }
    let server = server(RoomServerOptions::default()).await;
    let (early, early_kilobytes) = (join_and_leave(&server, 20).await, resident_kilobytes());
    let (late, late_kilobytes) = (join_and_leave(&server, 80).await, resident_kilobytes());
    println!("after 20 joins: {early:?}, {early_kilobytes} kB; after 100: {late:?}, {late_kilobytes} kB");
    assert!(late.threads <= early.threads + 1, "{early:?} -> {late:?}");
    assert!(late.descriptors <= early.descriptors + 1, "{early:?} -> {late:?}");
    assert!(late_kilobytes <= early_kilobytes + 12_000, "{early_kilobytes} kB -> {late_kilobytes} kB");
}
