//! The service's own matcher: one face per picture, one embedding per face, a distance between embeddings.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use vision_core::picture::Picture;

use super::{Incomparable, MatchReport, Pair, Side};
use crate::controller::references::Reference;

/// Pictures of one comparison that wait in the engine at the same time.
const IN_FLIGHT: usize = 2;

/// A face as a vector. Biometric: never printed.
pub struct Embedding(pub Vec<f32>);

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedding({})", self.0.len())
    }
}

/// Why a picture has no embedding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoEmbedding {
    /// Nobody is seen.
    NoFace,
    /// So many are seen.
    SeveralFaces(usize),
    /// Inference failed.
    Failed(String),
}

/// What turns pictures into embeddings: the inference engine, or a stand-in in tests.
pub trait Embedder: Send + Sync {
    /// Name of the embedding network.
    fn model(&self) -> &str;
    /// Below this distance two embeddings are the same person's.
    fn threshold(&self) -> f32;
    /// The embedding of the only face in `picture`.
    fn embed(&self, picture: Arc<dyn Picture>) -> BoxFuture<'_, Result<Embedding, NoEmbedding>>;
    /// In the network's metric.
    fn distance(&self, a: &Embedding, b: &Embedding) -> f32;
}

/// Compares with the networks of this process.
pub struct EmbeddedMatcher {
    embedder: Arc<dyn Embedder>,
}

impl fmt::Debug for EmbeddedMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedMatcher({})", self.embedder.model())
    }
}

impl EmbeddedMatcher {
    /// A matcher over `embedder`.
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder }
    }

    /// Name of the embedding network.
    pub fn model(&self) -> &str {
        self.embedder.model()
    }

    /// Below this distance two pictures show the same person.
    pub fn threshold(&self) -> f32 {
        self.embedder.threshold()
    }

    /// The distance between the only face in `a` and the only face in `b`.
    pub async fn compare(
        &self,
        a: Arc<dyn Picture>,
        b: Arc<dyn Picture>,
        deadline: Instant,
    ) -> Result<f32, Incomparable> {
        let a = self.embed(a, Side::Picture, deadline).await?;
        let b = self.embed(b, Side::Reference, deadline).await?;
        Ok(self.embedder.distance(&a, &b))
    }

    /// Whether `picture` can be a reference: it shows exactly one face.
    pub async fn check_reference(&self, picture: Arc<dyn Picture>, deadline: Instant) -> Result<(), Incomparable> {
        self.embed(picture, Side::Reference, deadline).await.map(drop)
    }

    pub(super) async fn compare_all(
        &self,
        pictures: &[Arc<dyn Picture>],
        references: &[Reference],
        deadline: Instant,
    ) -> MatchReport {
        let lent = references.iter().map(|r| r.picture.clone() as Arc<dyn Picture>).collect();
        let lent = self.embed_all(lent, Side::Reference, deadline).await;
        let live = self.embed_all(pictures.to_vec(), Side::Picture, deadline).await;
        let mut pairs = Vec::with_capacity(live.len() * lent.len());
        for (index, picture) in live.iter().enumerate() {
            for (reference, embedding) in references.iter().zip(&lent) {
                let distance = match (embedding, picture) {
                    (Ok(reference), Ok(picture)) => Ok(self.embedder.distance(picture, reference)),
                    // The reference's fault first: it is the one that somebody can mend.
                    (Err(why), _) | (_, Err(why)) => Err(why.clone()),
                };
                pairs.push(Pair { picture: index + 1, reference: reference.position, distance });
            }
        }
        MatchReport::new(self.model().to_owned(), self.threshold(), pairs)
    }

    async fn embed_all(
        &self,
        pictures: Vec<Arc<dyn Picture>>,
        side: Side,
        deadline: Instant,
    ) -> Vec<Result<Embedding, Incomparable>> {
        let embeddings: Vec<_> = pictures.into_iter().map(|p| self.embed(p, side, deadline).boxed()).collect();
        stream::iter(embeddings).buffered(IN_FLIGHT).collect().await
    }

    async fn embed(&self, picture: Arc<dyn Picture>, side: Side, deadline: Instant) -> Result<Embedding, Incomparable> {
        let embedding = timeout_at(deadline, self.embedder.embed(picture)).await.map_err(|_| Incomparable::TimedOut)?;
        embedding.map_err(|why| match why {
            NoEmbedding::NoFace => Incomparable::NoFace(side),
            NoEmbedding::SeveralFaces(count) => Incomparable::SeveralFaces { side, count },
            NoEmbedding::Failed(reason) => Incomparable::Matcher(reason),
        })
    }
}

/// A stand-in for the engine: the first byte of a picture says who is on it, the second how many there are.
#[cfg(test)]
pub(crate) mod fake {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use vision_core::picture::{PictureView, RgbPicture};

    use super::*;

    #[derive(Default)]
    pub struct FakeEmbedder {
        pub embedded: AtomicUsize,
    }

    pub const BROKEN: u8 = 255;
    pub const SLOW: u8 = 254;

    impl Embedder for FakeEmbedder {
        fn model(&self) -> &str {
            "fake"
        }

        fn threshold(&self) -> f32 {
            0.1
        }

        fn embed(&self, picture: Arc<dyn Picture>) -> BoxFuture<'_, Result<Embedding, NoEmbedding>> {
            self.embedded.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                let PictureView::Rgb(view) = picture.view() else { panic!("tests use RGB") };
                match (view.data[0], view.data[1]) {
                    (BROKEN, _) => Err(NoEmbedding::Failed("broken".into())),
                    (SLOW, _) => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        Err(NoEmbedding::NoFace)
                    }
                    (_, 0) => Err(NoEmbedding::NoFace),
                    (who, 1) => Ok(Embedding(vec![f32::from(who) / 100.0])),
                    (_, many) => Err(NoEmbedding::SeveralFaces(many.into())),
                }
            })
        }

        fn distance(&self, a: &Embedding, b: &Embedding) -> f32 {
            (a.0[0] - b.0[0]).abs()
        }
    }

    /// A picture for [`FakeEmbedder`]. PNG keeps its bytes.
    pub fn picture(who: u8, faces: u8) -> Arc<RgbPicture> {
        Arc::new(RgbPicture { data: [who, faces, 0].repeat(4), width: 2, height: 2 })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::super::{Decision, Matcher};
    use super::fake::*;
    use super::*;

    fn references(people: &[(u8, u8)]) -> Vec<Reference> {
        people
            .iter()
            .enumerate()
            .map(|(i, &(who, faces))| Reference { position: i + 1, picture: picture(who, faces) })
            .collect()
    }

    fn pictures(people: &[(u8, u8)]) -> Vec<Arc<dyn Picture>> {
        people.iter().map(|&(who, faces)| picture(who, faces) as Arc<dyn Picture>).collect()
    }

    async fn compare(live: &[(u8, u8)], lent: &[(u8, u8)]) -> (MatchReport, usize) {
        let embedder = Arc::new(FakeEmbedder::default());
        let matcher = Matcher::Embedded(Arc::new(EmbeddedMatcher::new(embedder.clone())));
        let deadline = Instant::now() + Duration::from_millis(200);
        let report = matcher.compare_all(&pictures(live), &references(lent), deadline).await;
        (report, embedder.embedded.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn each_picture_is_embedded_once() {
        let (report, embedded) = compare(&[(10, 1), (12, 1), (14, 1)], &[(10, 1), (11, 1)]).await;
        assert_eq!((report.decision, report.compared(), embedded), (Decision::Verified, 6, 5));
        assert_eq!((report.model.as_str(), report.threshold), ("fake", 0.1));
        assert!((report.mean.unwrap() - 0.02).abs() < 0.002, "{report:?}");
        assert_eq!(compare(&[(10, 1)], &[(90, 1)]).await.0.decision, Decision::Different);
    }

    #[tokio::test]
    async fn what_cannot_be_compared_is_left_out_and_named() {
        let (report, _) = compare(&[(10, 1), (10, 0), (BROKEN, 1)], &[(10, 1), (10, 2)]).await;
        assert_eq!((report.decision, report.compared()), (Decision::Verified, 1));
        let why: Vec<String> =
            report.pairs.iter().filter_map(|p| p.distance.as_ref().err().map(ToString::to_string)).collect();
        assert_eq!(why[0], "2 faces are seen in the reference, where there must be one");
        assert_eq!(why[1], "no face is seen in the picture");
        assert_eq!(why[3], "the matcher failed: broken");
    }

    #[tokio::test]
    async fn nothing_to_compare_is_never_success() {
        for (live, lent, decision) in [
            (vec![(10, 1)], vec![(10, 0), (10, 2)], Decision::NoReferences),
            (vec![(10, 0)], vec![(10, 1)], Decision::MatcherUnavailable),
            (vec![(10, 1)], vec![(BROKEN, 1)], Decision::MatcherUnavailable),
            (vec![(10, 1)], vec![(SLOW, 1)], Decision::MatcherUnavailable),
            (vec![], vec![(10, 1)], Decision::MatcherUnavailable),
            (vec![(10, 1)], vec![], Decision::NoReferences),
        ] {
            assert_eq!(compare(&live, &lent).await.0.decision, decision, "{live:?} {lent:?}");
        }
    }

    #[tokio::test]
    async fn two_pictures() {
        let matcher = EmbeddedMatcher::new(Arc::new(FakeEmbedder::default()));
        let deadline = Instant::now() + Duration::from_secs(1);
        let distance = matcher.compare(picture(10, 1), picture(15, 1), deadline).await.unwrap();
        assert!((distance - 0.05).abs() < 1e-6);
        let side = Side::Reference;
        assert_eq!(
            matcher.compare(picture(10, 1), picture(10, 3), deadline).await,
            Err(Incomparable::SeveralFaces { side, count: 3 })
        );
        assert_eq!(matcher.check_reference(picture(1, 0), deadline).await, Err(Incomparable::NoFace(side)));
    }
}
