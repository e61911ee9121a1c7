//! Request bodies, with a limit that holds for chunked ones as well.

use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
use warp::http::StatusCode;
use warp::hyper::body::Bytes;
use warp::{Filter, Rejection};

use super::reply::{Reply, error};

/// A body, or the answer that refuses it.
pub type Body = Result<Bytes, Box<Reply>>;

/// Reads a body of at most `limit` bytes.
pub fn limited(limit: usize) -> impl Filter<Extract = (Body,), Error = Rejection> + Clone {
    warp::body::stream().then(move |stream| read(stream, limit))
}

async fn read(stream: impl Stream<Item = Result<impl Buf, warp::Error>>, limit: usize) -> Body {
    futures_util::pin_mut!(stream);
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let Ok(mut chunk) = chunk else {
            return Err(Box::new(error(
                StatusCode::BAD_REQUEST,
                "broken_body",
                "the request's body ended before its end",
            )));
        };
        if body.len() + chunk.remaining() > limit {
            let message = format!("the body is larger than {limit} bytes");
            return Err(Box::new(error(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", &message)));
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            body.extend_from_slice(part);
            let read = part.len();
            chunk.advance(read);
        }
    }
    Ok(body.freeze())
}
