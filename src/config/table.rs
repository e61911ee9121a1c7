//! The table of settings: one row each, the only place where a name, a default or its explanation stands.
//!
//! `docs/configuration.md` is this table, printed by `vision-service config --reference`.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Key in the TOML file and for `--set`: `section.name`.
    pub key: &'static str,
    /// Name in the environment and in `.env`.
    pub env: &'static str,
    /// Value when nobody says otherwise, written as it would be in the environment; empty means unset.
    pub default: &'static str,
    /// What it does, in a sentence, with unit and range.
    pub doc: &'static str,
    /// Never printed.
    pub secret: bool,
}

const fn s(key: &'static str, env: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { key, env, default, doc, secret: false }
}

const fn secret(key: &'static str, env: &'static str, doc: &'static str) -> Setting {
    Setting { key, env, default: "", doc, secret: true }
}

/// Every setting, by section.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    s("http.host", "HOST", "0.0.0.0", "Address to listen on."),
    s("http.port", "PORT", "5000", "Port to listen on; 0 lets the system choose."),
    s("http.cert_file", "CERT_FILE_APP", "", "PEM certificate chain: with `http.key_file`, the port speaks HTTPS."),
    s("http.key_file", "KEY_FILE_APP", "", "PEM private key that belongs to `http.cert_file`."),
    s("http.https_port", "HTTPS_PORT", "", "A second port that speaks HTTPS with a self-signed certificate, for phones on the local network; unset: none, except with `serve --demo`, where it is `http.port` and 443 more."),
    secret("http.api_token", "API_TOKEN", "When set, every endpoint but `/health` and `/call/*` wants `Authorization: Bearer` with it."),
    s("http.enable_debug_endpoints", "ENABLE_DEBUG_ENDPOINTS", "false", "Serve the debug endpoints, the original's among them (docs/debugging.md). They show pictures of subjects: never in production."),
    s("http.demo", "DEMO_PAGE", "false", "Serve `/demo`, where a person verifies themselves against a picture that they upload. For trying out only."),

    s("debug.images_kept", "DEBUG_IMAGES_KEPT", "100", "How many pictures the debug gallery keeps in memory, the newest, 1 to 1000; none is saved before `POST /set_mediasoup_setting` asks for it."),
    s("debug.images_lifetime", "DEBUG_IMAGES_LIFETIME", "10m", "How long the debug gallery keeps a picture."),
    s("debug.dot_folder", "DEBUG_DOT_FOLDER", "", "Folder for the graph of the pipelines (Graphviz' dot) of every flow or connection that fails, the newest hundred. Unset: none is written."),

    s("flow.max_flows", "MAX_FLOWS", "", "Flows at once; above it `/join-call` answers 503. Unset: four per processor core."),
    s("flow.time_limit", "FLOW_TIME_LIMIT", "60s", "A flow that has not decided by then fails (`deadline`, or `subject_absent` when nobody came)."),
    s("flow.starting", "FLOW_STARTING", "5s", "How long \"starting\" is shown between the subject's first frame and the first gesture."),
    s("flow.result_shown", "FLOW_RESULT_SHOWN", "3s", "How long the result stays on the subject's screen before the service leaves."),
    s("flow.rejoin_limit", "FLOW_REJOIN_LIMIT", "10s", "How long a subject who left may stay away before the flow fails (`subject_left`)."),
    s("flow.media_stall_limit", "FLOW_MEDIA_STALL_LIMIT", "10s", "How long the subject's video may stand still on the wire before the flow fails (`media_lost`)."),
    s("flow.face_lost_after", "FLOW_FACE_LOST_AFTER", "2s", "A gesture that times out without a face for at least this long is told as `face_lost` and not as `gesture_timeout`."),
    s("flow.shutdown_limit", "SHUTDOWN_LIMIT", "10s", "On SIGTERM running flows end (`shutdown`) within this time."),

    s("challenge.count", "NUMBER_OF_GESTURES_TO_REQUEST", "2", "How many gestures are asked for, 1 to the number in `challenge.gestures`."),
    s("challenge.gestures", "GESTURES", "blink,smile,openCloseMouth", "Gestures to draw from."),
    s("challenge.folders", "GESTURES_FOLDERS", "", "Folders with further gesture files."),
    s("challenge.mirror_input", "MIRROR_INPUT", "true", "Gestures see the mirrored signals, as the original's `mediasoup_flip_input_image` does."),

    s("challenge.require_turn", "CHALLENGE_REQUIRE_TURN", "false", "A head turn, `turnLeft` or `turnRight`, is part of every challenge, whether the gestures name it or not."),

    s("liveness.profile", "LIVENESS_PROFILE", "default", "Which modes the checks have that are not set themselves: `default`, or `strict`, which enforces all but the injection hints (docs/liveness.md). Every check is `off`, `observe` (its finding stands in `GET /flows/{id}`) or `enforce` (it ends the flow)."),
    s("liveness.several_faces", "SEVERAL_FACES_MODE", "", "More than one face: `enforce` ends the flow (`several_faces`), `observe` only warns the subject, `off` does not look. Unset: `enforce`."),
    s("liveness.several_faces_limit", "SEVERAL_FACES_LIMIT", "2s", "How long several faces may be in the picture before `enforce` acts."),
    s("liveness.identity_continuity", "IDENTITY_CONTINUITY_MODE", "", "Another face than before: `enforce` ends the flow (`face_changed`). Unset: `enforce`."),
    s("liveness.frozen_stream", "FROZEN_STREAM_MODE", "", "A picture that does not move as a camera's does. Unset: `enforce`."),
    s("liveness.reaction_time", "REACTION_TIME_MODE", "", "Gestures that come sooner than a person can: with `enforce` they do not count. Unset: `enforce`."),
    s("liveness.passive_liveness", "PASSIVE_LIVENESS_MODE", "", "Prints and screens in front of the camera. Unset: `observe`, `enforce` in `strict`."),
    s("liveness.cuts_and_loops", "CUTS_AND_LOOPS_MODE", "", "Cuts, and scenes that come again. Unset: `observe`, `enforce` in `strict`."),
    s("liveness.head_turn_rigidity", "HEAD_TURN_RIGIDITY_MODE", "", "Heads that turn as a flat picture does. Unset: `observe`, `enforce` in `strict`."),
    s("liveness.colour_challenge", "COLOUR_CHALLENGE_MODE", "", "The screen flashes colours, which have to be seen on the face. Unset: `off`, `enforce` in `strict`."),
    s("liveness.colour_least_contrast", "COLOUR_LEAST_CONTRAST", "0.04", "The least light that subjects' screens add to that of their surroundings, 0 to 1. A reflection of so much that is not there is absent; with 0 its absence is never held against anybody."),
    s("liveness.colour_required", "COLOUR_REQUIRED", "false", "An enforced colour challenge that cannot tell (also the second time) ends the flow with `liveness_unclear`, instead of going on without it. For rooms without daylight."),
    s("liveness.reduced_flash", "REDUCED_FLASH", "false", "No colour challenge for anybody; a request's `reducedFlash` switches it off for one subject."),
    s("liveness.glasses", "GLASSES_DETECTOR_MODE", "", "Glasses: `observe` (or `WARNING_ONLY`) warns the subject, `enforce` (or `ERROR`) ends the flow. Thin frames are seen only by a network that is fetched by `make models WITH=glasses` (AGPL-3.0). Unset: `off`, `enforce` in `strict`."),
    s("liveness.injection_hints", "INJECTION_HINTS_MODE", "", "Signs that no camera made the video; `off` or `observe`, never more. Unset: `observe`."),
    s("liveness.inspection_rate", "LIVENESS_INSPECTION_RATE", "2", "How many frames a second are looked at for passive liveness, identity and quality, 0.5 to 15."),

    s("locale.default", "DEFAULT_LANG", "en", "Language when a request names none, or none that is known."),
    s("locale.folders", "LOCALES_FOLDERS", "", "Folders with further locale files."),

    s("position.min_width", "FACE_MIN_WIDTH", "0.1", "Least width of the face, as a part of the picture's; below it the subject is warned."),
    s("position.max_width", "FACE_MAX_WIDTH", "0.5", "Greatest width of the face, as a part of the picture's."),
    s("position.min_height", "FACE_MIN_HEIGHT", "0.1", "Least height of the face, as a part of the picture's."),
    s("position.max_height", "FACE_MAX_HEIGHT", "0.7", "Greatest height of the face, as a part of the picture's."),
    s("position.centre_offset", "FACE_CENTRE_OFFSET", "0.25", "How far the face's centre may be from the picture's, on each axis, as a part of the picture."),

    s("media.width", "VIDEO_WIDTH", "640", "Greatest width of the video sent, in landscape; portrait swaps it with the height."),
    s("media.height", "VIDEO_HEIGHT", "480", "Greatest height of the video sent."),
    s("media.framerate", "VIDEO_FRAMERATE", "15", "Frames per second sent, 1 to 30."),
    s("media.bitrate", "VIDEO_BITRATE", "500", "Kilobits per second sent, 50 to 4000."),
    s("media.codecs", "VIDEO_CODECS", "VP8,H264", "Codecs to use, the preferred one first."),
    s("media.hardware", "VIDEO_HARDWARE", "auto", "Decode and encode by hardware: `auto` where GStreamer has elements for it (nvcodec, VA-API; the highest rank first) and a trial at start shows that they work, else by software; `off` always by software."),

    s("analysis.max_rate", "ANALYSIS_MAX_RATE", "15", "Greatest number of frames per second of a flow that the networks look at, 1 to 60."),
    s("analysis.idle_rate", "ANALYSIS_IDLE_RATE", "5", "The same while no gesture is asked for, 0.5 to 60."),
    s("analysis.provider", "EXECUTION_PROVIDER", "auto", "Where the networks run: auto, cpu, cuda, tensorrt. auto is CUDA where it loads, else the processor; one that is named and does not work is an error at start."),
    s("analysis.device_id", "EXECUTION_DEVICE_ID", "0", "Which GPU, as CUDA counts them."),
    s("analysis.runtime_library", "ONNXRUNTIME_LIBRARY", "", "ONNX Runtime's shared library, for GPUs. Unset: the processor's, in the models folder."),
    s("analysis.engine_cache", "ENGINE_CACHE", "", "Folder in which TensorRT keeps the engines that it builds; it takes minutes to build them. Unset: the user's cache folder."),
    s("analysis.max_batch", "ANALYSIS_MAX_BATCH", "", "Greatest number of frames, of different flows, that go through the networks together, 1 to 64. Unset: 1 on the processor, which gains nothing from more, 8 on a GPU."),
    s("analysis.batch_wait", "ANALYSIS_BATCH_WAIT", "2ms", "How long a frame waits for those of other flows to go through the networks with it; 100ms at most. Without effect where `analysis.max_batch` is 1."),
    s("analysis.workers", "ANALYSIS_WORKERS", "", "Inference threads. Unset: one per processor core, four at most."),
    s("analysis.models_folder", "VISION_MODELS_DIR", "", "Folder with the networks. Unset: found beside the program or the sources."),
    s("analysis.face_count_interval", "FACE_COUNT_INTERVAL", "500ms", "How often the detector looks for a second face while one is followed."),

    s("ice.servers", "ICE_SERVERS", "", "STUN and TURN servers for both sides: URLs separated by commas (`stun:host:port`, `turn:user:password@host:port?transport=tcp`), or the JSON array that browsers take."),
    s("ice.relay_only", "ICE_RELAY_ONLY", "false", "Use relayed candidates only, in all rooms."),
    s("ice.port_range", "ICE_PORT_RANGE", "", "UDP ports for media: `40000-40100`. Unset: any."),
    s("ice.announced_address", "ICE_ANNOUNCED_ADDRESS", "", "Address to announce in place of the machine's own, behind one-to-one NAT."),
    s("ice.loopback", "ICE_LOOPBACK", "true", "Offer 127.0.0.1 and ::1 as well: for a browser on the same machine, where that has no network."),
    s("ice.mediasoup_relay", "USE_MEDIASOUP_ICE_RELAY", "false", "Use relayed candidates only, in rooms of a mediasoup server; `ice.relay_only` does so in all rooms."),

    s("mediasoup.subject", "MEDIASOUP_SUBJECT", "first", "Whose video is verified in a room of a mediasoup server: `first` (the first other peer that produces video), `newest` (the peer that began last), or `peer:ID`."),
    s("mediasoup.ca_file", "MEDIASOUP_CA_FILE", "", "PEM file with certificate authorities to trust besides the system's, for `wss:` rooms and their `turns:` servers."),
    s("mediasoup.accept_any_certificate", "MEDIASOUP_ACCEPT_ANY_CERTIFICATE", "false", "Do not verify the certificates of `wss:` rooms and their `turns:` servers. For trying out only: anybody on the way can take part."),

    s("controller.retry_for", "CALLBACK_RETRY_FOR", "120s", "How long the outcome's callback is tried again, beyond the flow's own limit."),
    s("controller.timeout", "CALLBACK_TIMEOUT", "10s", "Limit of a single request to the controller."),

    s("callbacks.body", "CALLBACK_BODY", "none", "What the callbacks `success` and `failure` carry: `none`, or `jwt` for `{\"jwt\": ...}`, the signed result (docs/evidence.md); wants `signing.key_file`."),
    s("callbacks.bestshot", "CALLBACK_BESTSHOT", "false", "Put the best shot into the signed result as well (`bestshot`, a JPEG in base64): some 100 kB."),

    s("signing.algorithm", "SIGNING_ALGORITHM", "HS256", "How results of flows and manifests of evidence are signed: HS256, HS384, HS512, RS256, ES256 or EdDSA."),
    s("signing.key_file", "SIGNING_KEY_FILE", "", "File with the key: for HS* the shared secret, otherwise the private key as PEM (PKCS#8). Unset: nothing is signed."),
    s("signing.audience", "SIGNING_AUDIENCE", "", "`aud` of signed results: whom they are for. Unset: they say nobody."),
    s("signing.lifetime", "SIGNING_LIFETIME", "10m", "How long a signed result is worth anything; longer than `controller.retry_for`, or a callback that comes late brings a dead one."),

    s("evidence.store", "EVIDENCE_STORE", "none", "Where evidence of flows and sessions is kept (docs/evidence.md): `none`, `folder:PATH`, or `s3://BUCKET/PREFIX`. Wants `signing.key_file`."),
    s("evidence.recipient", "EVIDENCE_RECIPIENT", "", "Public key (age, `age1...`) that evidence is encrypted to. Unset: it is not encrypted."),
    s("evidence.retention", "EVIDENCE_RETENTION", "30d", "How long evidence is kept, at least a minute; then it is deleted."),
    s("evidence.video", "EVIDENCE_VIDEO", "false", "Keep a video of the subject as well."),
    s("evidence.video_limit", "EVIDENCE_VIDEO_LIMIT", "33554432", "What the video of one flow or session may take, in bytes; it is in memory until it is stored."),
    s("evidence.s3_endpoint", "EVIDENCE_S3_ENDPOINT", "", "Base URL of the S3-compatible server."),
    s("evidence.s3_region", "EVIDENCE_S3_REGION", "us-east-1", "Region that requests are signed for."),
    s("evidence.s3_access_key", "EVIDENCE_S3_ACCESS_KEY", "", "Access key id."),
    secret("evidence.s3_secret_key", "EVIDENCE_S3_SECRET_KEY", "Secret access key."),

    s("references.max_count", "REFERENCES_MAX_COUNT", "10", "How many reference images are used at most; the rest is skipped and said."),
    s("references.max_bytes", "REFERENCES_MAX_BYTES", "10000000", "Largest reference image, in bytes."),
    s("references.max_pixels", "REFERENCES_MAX_PIXELS", "40000000", "Largest reference image, in pixels."),
    s("references.timeout", "REFERENCES_TIMEOUT", "10s", "Limit for fetching one reference image."),
    s("references.max_redirects", "REFERENCES_MAX_REDIRECTS", "3", "How many redirects a reference image's URL may take."),

    s("matching.remote_url", "VISION_MATCHER_BASE_URL", "", "Base URL of a remote matcher (`POST /face_match`). Unset: the embedded one."),
    s("matching.remote_threshold", "VISION_MATCHER_THRESHOLD", "0.4", "Distance below which the remote matcher's answers mean the same person."),
    s("matching.embedding", "EMBEDDING", "", "Which embedding network compares faces. Unset: the preferred one that is installed (`vision-service models`)."),
    s("matching.allow_file_urls", "FACE_MATCH_ALLOW_FILE_URLS", "false", "Let `POST /face_match` read `file:` URLs."),

    s("frame_door.settings", "FRAME_DOOR_SETTINGS", "", "LUNA PASS's `lunapassapi.config.toml`, or a file like it (docs/frame-door.md). The frame door is open when its key is one of your own, or its `env` is development."),
    s("frame_door.audience", "FRAME_DOOR_AUDIENCE", "", "Whom results of sessions are for (`aud`); unset: not said."),
    s("frame_door.result_origins", "FRAME_DOOR_RESULT_ORIGINS", "", "Sites (`https://bank.example`) that `/selfie?origin=` may send results to. Unset: every one that the subject agrees to."),
    s("frame_door.token_lifetime", "FRAME_DOOR_TOKEN_LIFETIME", "10m", "How long the result of a session is worth something (`exp`)."),
    s("frame_door.session_limit", "FRAME_DOOR_SESSION_LIMIT", "5m", "A session that has no result by then fails (code 104)."),
    s("frame_door.resume_limit", "FRAME_DOOR_RESUME_LIMIT", "30s", "How long a session waits for its client after the connection broke."),
    s("frame_door.heartbeat", "FRAME_DOOR_HEARTBEAT", "10s", "How often a client is pinged and has to say something; after three times of silence it is taken to be gone. At least 1s."),
    s("frame_door.max_sessions", "FRAME_DOOR_MAX_SESSIONS", "", "Sessions at once; above it clients are told to try later. Unset: 32 per processor core."),
    s("frame_door.max_sessions_per_address", "FRAME_DOOR_MAX_SESSIONS_PER_ADDRESS", "8", "The same for one client address; 0: no limit, for a service behind a proxy, all of whose clients have one address."),
    s("frame_door.max_rate", "FRAME_DOOR_MAX_RATE", "10", "Frames per second of a session that are looked at, 1 to 60; of faster ones the newest."),
    s("frame_door.max_bytes", "FRAME_DOOR_MAX_BYTES", "4000000", "Largest frame, in bytes of its file."),
    s("frame_door.max_pixels", "FRAME_DOOR_MAX_PIXELS", "4000000", "Largest frame, in pixels."),

    s("log.verbose", "VERBOSE", "false", "Log at debug level. `RUST_LOG` has the last word."),
    s("log.format", "LOG_FORMAT", "text", "text or json."),
];

/// The row of `key`.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key)
}

/// The table as Markdown, for `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::from("| TOML, `--set` | environment | default | what |\n|---|---|---|---|\n");
    for s in SETTINGS {
        let default = if s.default.is_empty() { "unset".to_owned() } else { format!("`{}`", s.default) };
        out += &format!("| `{}` | `{}` | {} | {} |\n", s.key, s.env, default, s.doc.replace('|', "\\|"));
    }
    out
}
