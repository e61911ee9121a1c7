//! Is the live face the face on the references?
//!
//! | file | what |
//! |---|---|
//! | here | the decision, pure, and the entry that is the same for both matchers |
//! | [`embedded`] | the service's own networks |
//! | [`engine`] | the inference engine in their place |
//! | [`remote`] | a matcher elsewhere, by the original's `POST /face_match` |
//! | `encode` | pictures as JPEG data URLs |
//!
//! Every live picture is compared with every reference. A pair that cannot be compared is left out; the person is
//! verified when the mean over those that can is below the threshold. Without any there is no verification.

pub mod embedded;
pub(crate) mod encode;
pub mod engine;
pub mod remote;

use std::sync::Arc;

use tokio::time::Instant;
use vision_core::picture::Picture;

pub use self::embedded::EmbeddedMatcher;
pub use self::engine::EngineEmbedder;
pub use self::remote::RemoteMatcher;
use crate::controller::references::Reference;

/// Why two pictures cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// Nobody is seen in one of them.
    #[error("no face is seen in {0}")]
    NoFace(Side),
    /// It is not clear who is meant.
    #[error("{count} faces are seen in {side}, where there must be one")]
    SeveralFaces {
        /// In which.
        side: Side,
        /// How many.
        count: usize,
    },
    /// The matcher failed or gave no distance.
    #[error("the matcher failed: {0}")]
    Matcher(String),
    /// The deadline passed, or the matcher's own limit.
    #[error("the comparison took too long")]
    TimedOut,
}

/// The two sides of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Taken from the subject's video; in `POST /face_match` the first image.
    Picture,
    /// Lent by the controller; in `POST /face_match` the second image.
    Reference,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Picture => "the picture",
            Self::Reference => "the reference",
        })
    }
}

/// One picture against one reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Which picture; the first is 1.
    pub picture: usize,
    /// Which reference, by its place in the controller's list; the first is 1.
    pub reference: usize,
    /// The distance in the matcher's metric, smaller for more alike.
    pub distance: Result<f32, Incomparable>,
}

/// What the comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The same person.
    Verified,
    /// Another person.
    Different,
    /// No reference shows a face to compare with.
    NoReferences,
    /// Nothing could be compared.
    MatcherUnavailable,
}

/// The result of a comparison, without anything biometric in it but distances.
#[derive(Clone, Debug)]
pub struct MatchReport {
    /// What it says.
    pub decision: Decision,
    /// Mean distance of the pairs that were compared.
    pub mean: Option<f32>,
    /// Verified below it.
    pub threshold: f32,
    /// What compared them.
    pub model: String,
    /// Every pair.
    pub pairs: Vec<Pair>,
}

impl MatchReport {
    pub(crate) fn new(model: String, threshold: f32, pairs: Vec<Pair>) -> Self {
        let (decision, mean) = decide(&pairs, threshold);
        for Pair { picture, reference, distance } in &pairs {
            if let Err(reason) = distance {
                tracing::warn!(picture, reference, %reason, "a comparison is left out");
            }
        }
        Self { decision, mean, threshold, model, pairs }
    }

    /// How many pairs were compared.
    pub fn compared(&self) -> usize {
        self.pairs.iter().filter_map(Pair::usable).count()
    }
}

impl Pair {
    fn usable(&self) -> Option<f32> {
        self.distance.as_ref().ok().copied().filter(|d| d.is_finite())
    }
}

/// The decision over `pairs`, and the mean distance of those that could be compared. A distance that is not a number
/// counts as not compared.
pub fn decide(pairs: &[Pair], threshold: f32) -> (Decision, Option<f32>) {
    let distances: Vec<f64> = pairs.iter().filter_map(Pair::usable).map(f64::from).collect();
    if distances.is_empty() {
        let only_references = pairs.iter().all(|pair| {
            matches!(
                pair.distance,
                Err(Incomparable::NoFace(Side::Reference) | Incomparable::SeveralFaces { side: Side::Reference, .. })
            )
        });
        let decision = if only_references { Decision::NoReferences } else { Decision::MatcherUnavailable };
        return (decision, None);
    }
    let mean = (distances.iter().sum::<f64>() / distances.len() as f64) as f32;
    (if mean < threshold { Decision::Verified } else { Decision::Different }, Some(mean))
}

/// Either matcher. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// The service's own networks.
    Embedded(Arc<EmbeddedMatcher>),
    /// A matcher elsewhere.
    Remote(Arc<RemoteMatcher>),
}

impl Matcher {
    /// Compares every picture with every reference until `deadline`; what is not compared by then is told as
    /// [`Incomparable::TimedOut`].
    pub async fn compare_all(
        &self,
        pictures: &[Arc<dyn Picture>],
        references: &[Reference],
        deadline: Instant,
    ) -> MatchReport {
        let report = match self {
            Self::Embedded(matcher) => matcher.compare_all(pictures, references, deadline).await,
            Self::Remote(matcher) => matcher.compare_all(pictures, references, deadline).await,
        };
        match (pictures.is_empty(), references.is_empty()) {
            // Without pairs the decision above cannot know which side is missing.
            (true, false) => MatchReport { decision: Decision::MatcherUnavailable, ..report },
            _ => report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(distances: &[Result<f32, Incomparable>]) -> Vec<Pair> {
        distances
            .iter()
            .cloned()
            .enumerate()
            .map(|(i, distance)| Pair { picture: i + 1, reference: 1, distance })
            .collect()
    }

    const NO_FACE: Incomparable = Incomparable::NoFace(Side::Picture);
    const NO_REFERENCE: Incomparable = Incomparable::NoFace(Side::Reference);
    const TWO_REFERENCES: Incomparable = Incomparable::SeveralFaces { side: Side::Reference, count: 2 };

    #[test]
    fn the_mean_over_what_can_be_compared_decides() {
        for (distances, decision, mean) in [
            (vec![Ok(0.3)], Decision::Verified, Some(0.3)),
            (vec![Ok(0.4)], Decision::Different, Some(0.4)),
            (vec![Ok(0.1), Ok(0.6)], Decision::Verified, Some(0.35)),
            (vec![Ok(0.1), Ok(0.8)], Decision::Different, Some(0.45)),
            (vec![Ok(-0.1)], Decision::Verified, Some(-0.1)),
            (vec![Ok(0.3), Err(NO_FACE), Err(Incomparable::TimedOut)], Decision::Verified, Some(0.3)),
            (vec![Ok(f32::NAN), Ok(0.5)], Decision::Different, Some(0.5)),
            (vec![Ok(f32::NEG_INFINITY), Ok(0.5)], Decision::Different, Some(0.5)),
        ] {
            let (got, got_mean) = decide(&pairs(&distances), 0.4);
            assert_eq!(got, decision, "{distances:?}");
            assert!((got_mean.unwrap() - mean.unwrap()).abs() < 1e-6, "{distances:?}");
        }
    }

    #[test]
    fn without_a_comparison_there_is_no_success() {
        for (distances, decision) in [
            (vec![], Decision::NoReferences),
            (vec![Ok(f32::NAN)], Decision::MatcherUnavailable),
            (vec![Ok(f32::INFINITY)], Decision::MatcherUnavailable),
            (vec![Ok(f32::NEG_INFINITY)], Decision::MatcherUnavailable),
            (vec![Err(NO_FACE), Err(NO_REFERENCE)], Decision::MatcherUnavailable),
            (vec![Err(NO_REFERENCE), Err(TWO_REFERENCES)], Decision::NoReferences),
            (vec![Err(Incomparable::Matcher("x".into()))], Decision::MatcherUnavailable),
            (vec![Err(Incomparable::TimedOut)], Decision::MatcherUnavailable),
        ] {
            assert_eq!(decide(&pairs(&distances), 0.4), (decision, None), "{distances:?}");
        }
        // A threshold that is not a number verifies nobody.
        assert_eq!(decide(&pairs(&[Ok(0.0)]), f32::NAN).0, Decision::Different);
    }
}
