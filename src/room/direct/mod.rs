//! The built-in room: the subject's browser talks WebRTC straight to the service.
//!
//! A room has a name and two seats, one for a flow and one for a subject; it exists as long as one of them is taken.
//! Whoever comes first waits for the other.
//!
//! | module | what |
//! |---|---|
//! | [`message`] | the JSON messages between page and service |
//! | `seats` | who is in which room |
//! | `socket` | a page's WebSocket: reading, limits, heartbeat |
//! | `call` | a flow's side: one `webrtcbin` for each offer of the page |

mod call;
pub mod message;
mod seats;
mod socket;

use warp::Filter;

use super::{Plugs, RoomError, RoomLink, RoomOptions, is_room_name, link};
use seats::Seats;

/// All built-in rooms of the service.
#[derive(Clone, Default)]
pub struct DirectRooms {
    seats: Seats,
}

impl DirectRooms {
    /// Takes the flow's seat.
    pub fn join(&self, room: &str, plugs: Plugs, options: RoomOptions) -> Result<RoomLink, RoomError> {
        let (seat, inbox) = self.seats.seat_flow(room).ok_or_else(|| RoomError::Occupied(room.into()))?;
        Ok(link(move |end| call::Call::new(seat, inbox, end, plugs, options).run()))
    }
}

/// `GET /call/{room}/ws`: where the page at `/call/{room}` connects to.
pub fn filter(rooms: DirectRooms) -> impl Filter<Extract = (impl warp::Reply,), Error = warp::Rejection> + Clone {
    warp::path!("call" / String / "ws")
        .and_then(
            |room: String| async move { if is_room_name(&room) { Ok(room) } else { Err(warp::reject::not_found()) } },
        )
        .and(warp::ws())
        .and(warp::any().map(move || rooms.clone()))
        .map(|room: String, ws: warp::ws::Ws, rooms: DirectRooms| {
            ws.max_message_size(message::MAX_BYTES)
                .max_frame_size(message::MAX_BYTES)
                .on_upgrade(move |socket| socket::serve(rooms.seats, room, socket))
        })
}
