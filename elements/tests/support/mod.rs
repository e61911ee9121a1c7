//! What the tests of the elements share: the plug-in, pictures of a face in every format, clips, messages.
#![allow(dead_code)] // every test uses its own part

pub mod pictures;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};
use vision_models::landmarker::Landmarker;
use vision_models::manifest::ModelFolder;
use vision_models::runtime::{Provider, Runtime};

pub const FORMATS: [VideoFormat; 3] = [VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgb];
/// From a frame to the next in tests: 30 in a second.
pub const FRAME: gst::ClockTime = gst::ClockTime::from_nseconds(1_000_000_000 / 30);

/// GStreamer with the plug-in.
pub fn init() {
    static INIT: std::sync::Once = std::sync::Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstvision::plugin_register_static().unwrap();
    });
}

/// The folder with test data: `VISION_TEST_ASSETS`, or `shared` beside the repository.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("VISION_TEST_ASSETS").map_or_else(beside, PathBuf::from);
    root.join("assets").is_dir().then_some(root)
}

/// A file of the test data; `None`, said by name, when the data is not there.
pub fn asset(test: &str, name: &str) -> Option<PathBuf> {
    let Some(root) = shared() else {
        // Past the test runner, which keeps what passing tests print to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: needs shared data (set VISION_TEST_ASSETS)");
        return None;
    };
    let path = root.join("assets").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    Some(path)
}

/// The one face that the repository carries.
pub fn astronaut() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/astronaut.png")
}

/// A buffer with the caps that describe it.
#[derive(Clone)]
pub struct Video {
    pub info: VideoInfo,
    pub buffer: gst::Buffer,
}

impl Video {
    /// A picture file, scaled and converted.
    pub fn open(path: &Path, format: VideoFormat, width: u32, height: u32) -> Self {
        init();
        let rgb = image::open(path).unwrap().to_rgb8();
        let info = VideoInfo::builder(VideoFormat::Rgb, rgb.width(), rgb.height()).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            let stride = frame.plane_stride()[0] as usize;
            let rows = frame.plane_data_mut(0).unwrap().chunks_mut(stride);
            for (row, pixels) in rows.zip(rgb.chunks(3 * rgb.width() as usize)) {
                row[..pixels.len()].copy_from_slice(pixels);
            }
        }
        Self { info, buffer }.convert(format, width, height)
    }

    /// The astronaut.
    pub fn face(format: VideoFormat, width: u32, height: u32) -> Self {
        Self::open(&astronaut(), format, width, height)
    }

    /// Nobody.
    pub fn black(format: VideoFormat, width: u32, height: u32) -> Self {
        init();
        let info = VideoInfo::builder(format, width, height).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            for plane in 0..frame.n_planes() {
                let value = if plane == 0 { 16 } else { 128 };
                frame.plane_data_mut(plane).unwrap().fill(value);
            }
        }
        Self { info, buffer }
    }

    pub fn convert(&self, format: VideoFormat, width: u32, height: u32) -> Self {
        let info = VideoInfo::builder(format, width, height).build().unwrap();
        let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
        {
            let converter = gst_video::VideoConverter::new(&self.info, &info, None).unwrap();
            let source = VideoFrameRef::from_buffer_ref_readable(&self.buffer, &self.info).unwrap();
            let mut target = VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            converter.frame_ref(&source, &mut target);
        }
        Self { info, buffer }
    }

    pub fn caps(&self) -> gst::Caps {
        self.info.to_caps().unwrap()
    }

    /// A buffer of its own for a place in a stream. The pixels are shared.
    pub fn at(&self, pts: gst::ClockTime) -> gst::Buffer {
        let mut buffer = self.buffer.copy();
        let copy = buffer.get_mut().unwrap();
        copy.set_pts(pts);
        copy.set_duration(FRAME);
        buffer
    }
}

/// The first frames of a clip, with their times.
pub fn clip(path: &Path, format: VideoFormat, count: usize) -> Vec<Video> {
    init();
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format={} ! appsink name=out sync=false",
        path.display(),
        format.to_str()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    let out = pipeline.by_name("out").unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let frames = (0..count).map(|n| {
        let sample = pull(&out).unwrap_or_else(|| panic!("{} has no frame {n}", path.display()));
        let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        Video { info, buffer: sample.buffer_owned().unwrap() }
    });
    let frames = frames.collect();
    pipeline.set_state(gst::State::Null).unwrap();
    frames
}

/// The next sample of an appsink; `None` at the end, or after 20 seconds without one.
pub fn pull(appsink: &gst::Element) -> Option<gst::Sample> {
    appsink.emit_by_name::<Option<gst::Sample>>("try-pull-sample", &[&(20 * gst::ClockTime::SECOND.nseconds())])
}

/// An element in a harness, on the processor, with a bus. Properties as in gst-launch.
pub fn harness(line: &str, caps: &gst::Caps) -> (gst_check::Harness, gst::Bus) {
    init();
    let mut harness = gst_check::Harness::new_parse(&format!("{line} name=it"));
    let bus = gst::Bus::new();
    harness.element().unwrap().set_bus(Some(&bus));
    harness.set_src_caps(caps.clone());
    harness.play();
    (harness, bus)
}

/// The element of a harness, the last one where there are several.
pub fn element(harness: &gst_check::Harness) -> gst::Element {
    let bin = harness.element().unwrap().downcast::<gst::Bin>().unwrap();
    bin.by_name("it").unwrap()
}

/// A segment of times as they are.
pub fn segment() -> gst::Event {
    gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())
}

/// The element messages of a bus, by name.
pub fn messages(bus: &gst::Bus, name: &str) -> Vec<gst::Structure> {
    let all = std::iter::from_fn(|| bus.pop_filtered(&[gst::MessageType::Element]));
    all.filter_map(|message| message.structure().map(ToOwned::to_owned)).filter(|it| it.name() == name).collect()
}

/// The error with which a pipeline of this element does not start, and its code.
pub fn start_error(element: &str) -> (String, Option<gst::ResourceError>) {
    init();
    let line = format!("videotestsrc num-buffers=1 ! video/x-raw,format=I420 ! {element} ! fakesink");
    let pipeline = gst::parse::launch(&line).unwrap();
    assert!(pipeline.set_state(gst::State::Paused).is_err(), "{element} starts");
    let bus = pipeline.bus().unwrap();
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error on the bus");
    let gst::MessageView::Error(error) = message.view() else { unreachable!("filtered") };
    pipeline.set_state(gst::State::Null).unwrap();
    (error.error().message().to_owned(), error.error().kind())
}

pub fn models() -> ModelFolder {
    ModelFolder::find(None).expect("tests need the models: run `make models`")
}

/// ONNX Runtime on the processor.
pub fn runtime() -> Runtime {
    Runtime::in_folder(&models(), Provider::Cpu, None).unwrap()
}

pub fn landmarker() -> Landmarker {
    Landmarker::load(&runtime(), &models()).unwrap()
}

/// A folder without models, removed at the end.
pub struct EmptyFolder(pub PathBuf);

impl EmptyFolder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vision-elements-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
