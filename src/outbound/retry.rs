//! Trying again, with jittered exponential backoff, until a moment.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, sleep};

/// Longest wait that a server can ask for with `Retry-After`.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(30);

/// Delays between attempts: `first` to twice `first`, then doubling up to `longest` to twice `longest`. The random part
/// keeps flows that failed together from coming back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Least delay after the first failure.
    pub first: Duration,
    /// Where doubling ends.
    pub longest: Duration,
}

impl Default for Backoff {
    /// A quarter of a second up to five.
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(5) }
    }
}

/// An attempt that failed.
#[derive(Debug)]
pub struct Failed<E> {
    /// Why.
    pub error: E,
    /// Whether it is worth another try.
    pub again: Again,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would fail in the same way.
    Never,
    /// After the backoff.
    Yes,
    /// The server asked for at least this much time.
    After(Duration),
}

/// What an answer other than 2xx means for another try: yes for 408, 425, 429 and 5xx, with `Retry-After` (in seconds)
/// honoured up to half a minute.
pub fn after_status(status: StatusCode, headers: &HeaderMap) -> Again {
    let temporary = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
    let asked = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
    match (temporary, asked) {
        (false, _) => Again::Never,
        (true, None) => Again::Yes,
        (true, Some(seconds)) => Again::After(Duration::from_secs(seconds).min(RETRY_AFTER_LIMIT)),
    }
}

/// What a request that brought no answer means for another try.
pub fn after_error(error: &reqwest::Error) -> Again {
    if error.is_builder() || error.is_redirect() { Again::Never } else { Again::Yes }
}

/// Fails unless the answer is a 2xx.
pub fn success_only(response: Response) -> Result<Response, Failed<StatusCode>> {
    let status = response.status();
    if status.is_success() {
        Ok(response)
    } else {
        Err(Failed { error: status, again: after_status(status, response.headers()) })
    }
}

/// How often it was tried, and how long that took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// At least one.
    pub attempts: u32,
    /// From the first attempt's beginning to the last one's end.
    pub elapsed: Duration,
}

/// The end of trying.
#[derive(Debug)]
pub struct GaveUp<E> {
    /// Why the last attempt failed.
    pub error: E,
    /// Another try would have failed in the same way; otherwise the time was over.
    pub for_good: bool,
    /// What was tried.
    pub effort: Effort,
}

/// Calls `attempt` until it succeeds, fails for good, or the next try would begin after `until`. The first attempt is
/// always made.
pub async fn retry<T, E, F>(
    backoff: Backoff,
    until: Instant,
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<(T, Effort), GaveUp<E>>
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, Failed<E>>>,
{
    let began = Instant::now();
    let mut delays = ExponentialBuilder::new()
        .with_min_delay(backoff.first)
        .with_max_delay(backoff.longest)
        .without_max_times()
        .with_jitter()
        .build();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let result = attempt().await;
        let effort = Effort { attempts, elapsed: began.elapsed() };
        let failed = match result {
            Ok(value) => return Ok((value, effort)),
            Err(failed) => failed,
        };
        let Failed { error, again } = failed;
        let next = delays.next().unwrap_or(backoff.longest);
        let delay = match again {
            Again::Never => {
                return Err(GaveUp { error, for_good: true, effort });
            }
            Again::Yes => next,
            Again::After(asked) => asked.max(next),
        };
        if Instant::now() + delay >= until {
            return Err(GaveUp { error, for_good: false, effort });
        }
        tracing::warn!(attempt = attempts, reason = %error, retry_in_ms = delay.as_millis() as u64, "{what} failed");
        sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_millis(400) };

    async fn failing(again: Again, limit: Duration) -> Effort {
        let attempt = || async move { Err::<(), _>(Failed { error: "no", again }) };
        let end = retry(FAST, Instant::now() + limit, "test", attempt).await.unwrap_err();
        assert_eq!((end.error, end.for_good), ("no", again == Again::Never));
        end.effort
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_before_the_limit_and_no_sooner_than_needed() {
        let effort = failing(Again::Yes, Duration::from_secs(10)).await;
        // Delays grow 0.1, 0.2, 0.4, 0.4 ...; with jitter up to twice that.
        assert!((13..=28).contains(&effort.attempts), "{effort:?}");
        assert!(effort.elapsed < Duration::from_secs(10) && effort.elapsed > Duration::from_secs(9), "{effort:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_attempt_is_always_made_and_for_good_is_for_good() {
        assert_eq!(failing(Again::Yes, Duration::ZERO).await.attempts, 1);
        assert_eq!(failing(Again::Never, Duration::from_secs(10)).await.attempts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_stretches_the_delay() {
        let effort = failing(Again::After(Duration::from_secs(3)), Duration::from_secs(10)).await;
        assert_eq!((effort.attempts, effort.elapsed.as_secs()), (4, 9));
    }

    #[test]
    fn which_answers_are_worth_another_try() {
        let after = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        let none = HeaderMap::new();
        for (status, headers, again) in [
            (400, &none, Again::Never),
            (404, &after("1"), Again::Never),
            (303, &none, Again::Never),
            (408, &none, Again::Yes),
            (425, &none, Again::Yes),
            (429, &after("2"), Again::After(Duration::from_secs(2))),
            (503, &after("86400"), Again::After(RETRY_AFTER_LIMIT)),
            (503, &after("Fri, 31 Dec 1999 23:59:59 GMT"), Again::Yes),
            (599, &none, Again::Yes),
        ] {
            assert_eq!(after_status(StatusCode::from_u16(status).unwrap(), headers), again, "{status}");
        }
    }
}
