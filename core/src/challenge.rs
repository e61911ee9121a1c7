//! Which gestures a subject is asked for: some of those that the configuration allows, drawn at random, in random order.

use std::sync::Arc;

use crate::gestures::{Gesture, GestureLibrary};
use crate::random::{below, draw};

/// Why no challenge can be drawn from a configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChallengeError {
    /// A gesture is not in the library.
    #[error("unknown gesture \"{id}\"; known are {known}")]
    Unknown {
        /// The id.
        id: String,
        /// All ids of the library.
        known: String,
    },
    /// A gesture is listed more than once.
    #[error("gesture \"{0}\" is listed twice")]
    Twice(String),
    /// Fewer gestures are allowed than have to be drawn.
    #[error("{wanted} gestures are to be asked for, but only {listed} are listed; list more, or ask for fewer")]
    TooFew {
        /// How many are to be drawn.
        wanted: usize,
        /// How many are allowed.
        listed: usize,
    },
    /// A challenge of no gesture would prove nothing.
    #[error("the number of gestures to ask for is 0; it has to be 1 or more")]
    Empty,
}

/// The gestures that may be asked for, and how many of them are. Checked once, drawn from for every subject.
#[derive(Clone, Debug)]
pub struct ChallengePool {
    gestures: Vec<Arc<Gesture>>,
    count: usize,
    /// One of these is in every challenge; of none, if there are none.
    always: Vec<Arc<Gesture>>,
}

impl ChallengePool {
    /// `count` gestures out of those with the given ids.
    pub fn new<S: AsRef<str>>(library: &GestureLibrary, ids: &[S], count: usize) -> Result<Self, ChallengeError> {
        let mut gestures: Vec<Arc<Gesture>> = Vec::with_capacity(ids.len());
        for id in ids.iter().map(S::as_ref) {
            let gesture = library.get(id).ok_or_else(|| ChallengeError::Unknown {
                id: id.to_owned(),
                known: library.iter().map(|gesture| gesture.id.as_str()).collect::<Vec<_>>().join(", "),
            })?;
            if gestures.iter().any(|known| known.id == id) {
                return Err(ChallengeError::Twice(id.to_owned()));
            }
            gestures.push(gesture.clone());
        }
        match count {
            0 => Err(ChallengeError::Empty),
            _ if gestures.len() < count => Err(ChallengeError::TooFew { wanted: count, listed: gestures.len() }),
            _ => Ok(Self { gestures, count, always: Vec::new() }),
        }
    }

    /// One of the gestures with these ids is to be part of every challenge: where none of them was drawn, one takes the
    /// place of another.
    pub fn with_one_of(mut self, library: &GestureLibrary, ids: &[&str]) -> Result<Self, ChallengeError> {
        self.always = Self::new(library, ids, 1)?.gestures;
        Ok(self)
    }

    /// The gestures that may be drawn.
    pub fn gestures(&self) -> &[Arc<Gesture>] {
        &self.gestures
    }

    /// How many are drawn.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Draws a challenge: every selection in every order is equally likely. `random` fills a buffer with random bytes of the operating
    /// system; it is called once per gesture, and again in the rare case that a value has to be refused for fairness.
    pub fn draw<E>(&self, mut random: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Vec<Arc<Gesture>>, E> {
        let mut gestures = draw(&self.gestures, self.count, &mut random)?;
        let is_there = gestures.iter().any(|drawn| self.always.iter().any(|gesture| gesture.id == drawn.id));
        if !self.always.is_empty() && !is_there {
            let place = below(gestures.len() as u64, &mut random)? as usize;
            gestures[place] = self.always[below(self.always.len() as u64, &mut random)? as usize].clone();
        }
        Ok(gestures)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::repeatable;

    const DEFAULT: [&str; 3] = ["blink", "smile", "openCloseMouth"];

    fn pool(ids: &[&str], count: usize) -> Result<ChallengePool, ChallengeError> {
        ChallengePool::new(&GestureLibrary::load(&[]).unwrap(), ids, count)
    }

    #[test]
    fn every_ordered_pair_is_equally_likely() {
        let (pool, mut random) = (pool(&DEFAULT, 2).unwrap(), repeatable(7));
        let mut counts = BTreeMap::new();
        for _ in 0..6000 {
            let drawn = pool.draw(&mut random).unwrap();
            let ids: Vec<_> = drawn.iter().map(|gesture| gesture.id.clone()).collect();
            *counts.entry(ids.join("+")).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6, "{counts:?}");
        assert!(counts.values().all(|n| (880..1120).contains(n)), "{counts:?}");
        assert!(counts.keys().all(|pair| { pair.split('+').collect::<std::collections::BTreeSet<_>>().len() == 2 }));
    }

    #[test]
    fn all_of_them_in_any_order() {
        let (pool, mut random) = (pool(&DEFAULT, 3).unwrap(), repeatable(3));
        let mut orders = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let ids: Vec<_> = pool.draw(&mut random).unwrap().iter().map(|gesture| gesture.id.clone()).collect();
            let mut sorted = ids.clone();
            sorted.sort();
            assert_eq!(sorted, ["blink", "openCloseMouth", "smile"]);
            orders.insert(ids);
        }
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn one_of_some_is_always_there() {
        const TURNS: [&str; 2] = ["turnLeft", "turnRight"];
        let library = GestureLibrary::load(&[]).unwrap();
        let ids = |pool: &ChallengePool, random: &mut _| -> Vec<String> {
            pool.draw(random).unwrap().iter().map(|gesture| gesture.id.clone()).collect()
        };
        let mut random = repeatable(11);
        let required = pool(&DEFAULT, 2).unwrap().with_one_of(&library, &TURNS).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let drawn = ids(&required, &mut random);
            assert_eq!(drawn.len(), 2);
            assert_eq!(drawn.iter().filter(|id| TURNS.contains(&id.as_str())).count(), 1, "{drawn:?}");
            seen.extend(drawn.into_iter().enumerate());
        }
        assert_eq!(seen.len(), 10, "every gesture, in both places: {seen:?}");
        let named = pool(&["turnLeft", "turnRight"], 2).unwrap().with_one_of(&library, &TURNS).unwrap();
        let mut drawn = ids(&named, &mut random);
        drawn.sort();
        assert_eq!(drawn, TURNS, "one that was drawn is enough");
        let unknown = pool(&DEFAULT, 2).unwrap().with_one_of(&library, &["moonwalk"]).unwrap_err();
        assert!(unknown.to_string().contains("moonwalk"), "{unknown}");
    }

    #[test]
    fn a_source_that_fails_is_passed_on() {
        assert_eq!(pool(&DEFAULT, 1).unwrap().draw(|_| Err("no entropy")).unwrap_err(), "no entropy");
    }

    #[test]
    fn impossible_configurations() {
        assert_eq!(pool(&DEFAULT, 4).unwrap_err(), ChallengeError::TooFew { wanted: 4, listed: 3 });
        assert_eq!(pool(&DEFAULT, 0).unwrap_err(), ChallengeError::Empty);
        assert_eq!(pool(&["blink", "smile", "blink"], 1).unwrap_err(), ChallengeError::Twice("blink".into()));
        let error = pool(&["blink", "wink"], 1).unwrap_err().to_string();
        assert!(error.contains("\"wink\"") && error.contains("openCloseMouth"), "{error}");
    }
}
