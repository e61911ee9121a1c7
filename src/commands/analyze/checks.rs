//! The liveness checks over a file: what a call would find out, without a subject who is asked for anything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vision_core::face::{Face, FrameAnalysis};
use vision_core::liveness::continuity::head_turn::HeadTurn;
use vision_core::liveness::continuity::identity::{Embedding, Identity};
use vision_core::liveness::continuity::injection::InjectionHints;
use vision_core::liveness::continuity::stream::signature::Signature;
use vision_core::liveness::continuity::stream::{Stream, StreamLimits};
use vision_core::liveness::passive::Passive;
use vision_core::liveness::quality::glasses::{Glasses, GlassesVote};
use vision_core::liveness::quality::{AlignedFace, Appearance, Quality};
use vision_core::liveness::{Check, Finding};
use vision_core::picture::PictureView;
use vision_core::plot::Series;
use vision_models::antispoof::{Antispoof, AntispoofError};
use vision_models::embedding::{Embedder, EmbeddingError};
use vision_models::glasses::{GlassesDetector, GlassesError};
use vision_models::manifest::{ManifestError, ModelFolder};
use vision_models::runtime::Runtime;

/// How often the embedding and the anti-spoof network look, as in a call.
const NETWORKS: Duration = Duration::from_secs(1);

/// Why the checks cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each wraps the error of the network that it names
pub enum ChecksError {
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    #[error(transparent)]
    Antispoof(#[from] AntispoofError),
    #[error(transparent)]
    Glasses(#[from] GlassesError),
}

/// How good the picture of a face is. Scores 0..1; of illumination and specularity 0 is good, of the others 1.
#[derive(Clone, Copy, Serialize)]
pub struct QualityReport {
    #[serde(flatten)]
    quality: Quality,
    /// How fit the picture is for matching.
    ags: f32,
    /// Probability that the mouth is closed and not covered.
    mouth: f32,
    /// What the face wears, as far as one frame tells.
    glasses: Option<Glasses>,
}

/// The checks of one file.
pub struct Checks {
    stream: Stream,
    hints: InjectionHints,
    passive: Passive,
    turn: HeadTurn,
    glasses: GlassesVote,
    identity: Option<(Identity, Embedder)>,
    antispoof: Option<Antispoof>,
    glasses_network: Option<GlassesDetector>,
    networks_due: Duration,
    points: BTreeMap<Check, Vec<(f64, f64)>>,
}

impl Checks {
    /// With the networks that are there.
    pub fn new(runtime: &Runtime, folder: &ModelFolder) -> Result<Self, ChecksError> {
        let mut identity = None;
        if let Some(resolved) = folder.embeddings().first()
            && let Some(network) = &resolved.model.embedding
        {
            let (metric, threshold) = (network.metric, network.threshold);
            let judge = Identity::new(move |a: &[f32], b: &[f32]| metric.distance(a, b), threshold);
            identity = Some((judge, Embedder::load(runtime, resolved)?));
        }
        let antispoof = match Antispoof::load(runtime, folder) {
            Err(AntispoofError::Manifest(ManifestError::Missing { .. })) => None,
            network => Some(network?),
        };
        let glasses_network = match GlassesDetector::load(runtime, folder) {
            Err(GlassesError::Manifest(ManifestError::Missing { .. })) => None,
            network => Some(network?),
        };
        Ok(Self {
            stream: Stream::new(StreamLimits::default()),
            hints: InjectionHints::new(),
            passive: Passive::new(),
            turn: HeadTurn::new(),
            glasses: GlassesVote::in_call(glasses_network.is_some()),
            identity,
            antispoof,
            glasses_network,
            networks_due: Duration::ZERO,
            points: BTreeMap::new(),
        })
    }

    /// The next frame of a video.
    pub fn frame(
        &mut self,
        picture: &PictureView<'_>,
        analysis: &FrameAnalysis,
        at: Duration,
    ) -> Result<Option<QualityReport>, ChecksError> {
        let face = analysis.face.as_ref();
        if let Some(signature) = Signature::of(picture) {
            self.stream.see(&signature, Some(face), at);
        }
        self.hints.taken(at);
        let mut quality = None;
        if let Some(face) = face {
            let networks = at >= self.networks_due;
            if networks {
                self.networks_due = at + NETWORKS;
            }
            let logit = match &mut self.antispoof {
                Some(network) if networks => Some(network.score(picture, face)?),
                _ => None,
            };
            self.passive.observe(picture, face, logit);
            self.turn.see(face, analysis.width, analysis.height);
            if let Some((identity, embedder)) = &mut self.identity
                && (networks || identity.is_urgent())
                && let Some(embedding) = Embedding::new(embedder.embed(picture, face)?.values().to_vec())
            {
                identity.see(embedding);
            }
            quality = self.quality(picture, face)?;
            self.glasses.add(quality.and_then(|quality: QualityReport| quality.glasses));
        }
        let ms = at.as_secs_f64() * 1000.0;
        for (check, finding) in self.findings() {
            if let Some(score) = finding.score {
                self.points.entry(check).or_default().push((ms, f64::from(score)));
            }
        }
        Ok(quality)
    }

    /// How good the picture of this face is.
    pub fn quality(&mut self, picture: &PictureView<'_>, face: &Face) -> Result<Option<QualityReport>, ChecksError> {
        let Some(aligned) = AlignedFace::new(picture, face) else { return Ok(None) };
        let Appearance { quality, mouth, cues, ags } = Appearance::of(&aligned, face);
        Ok(Some(QualityReport {
            quality,
            ags,
            mouth: mouth.closed_and_visible(),
            glasses: match &mut self.glasses_network {
                Some(network) => Some(network.glasses(picture, face, &cues)?),
                None => cues.glasses(),
            },
        }))
    }

    /// What was found so far. Several faces are counted elsewhere; reactions and colours need a subject who is asked for them.
    pub fn findings(&self) -> BTreeMap<Check, Finding> {
        let found = [
            (Check::IdentityContinuity, self.identity.as_ref().map(|(identity, _)| identity.finding())),
            (Check::FrozenStream, Some(self.stream.frozen())),
            (Check::PassiveLiveness, Some(self.passive.report().finding)),
            (Check::CutsAndLoops, Some(self.stream.cuts_and_loops())),
            (Check::HeadTurnRigidity, Some(self.turn.finding())),
            (Check::Glasses, Some(self.glasses.finding(&[Glasses::NoGlasses]))),
            (Check::InjectionHints, Some(self.hints.risk().finding())),
        ];
        found.into_iter().filter_map(|(check, finding)| Some((check, finding?))).collect()
    }

    /// The scores over time.
    pub fn series(self) -> impl Iterator<Item = Series> {
        self.points.into_iter().map(|(check, points)| Series {
            name: format!("check {}", check.as_str()),
            points,
            thresholds: Vec::new(),
            events: Vec::new(),
        })
    }
}
